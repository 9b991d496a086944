// The namespace of everything hot. The hot translation unit is compiled once per ISA level, each
// time with another PM_ISA_LEVEL, so that no function compiled for one level can stand in for the
// same function of another (one name, one code). Plain structs stand outside it.
#pragma once

#ifndef PM_ISA_LEVEL
#define PM_ISA_LEVEL portable
#endif
