// This host and this build, as a reader of results needs them.
#pragma once

#include "record/provenance.h"

namespace pollmark {

// Facts that cannot be read are left out. Warnings name what makes numbers doubtful here.
[[nodiscard]] Provenance provenance_of_host();

}  // namespace pollmark
