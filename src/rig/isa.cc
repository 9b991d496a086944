#include "rig/isa.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <cstdlib>

#include "rig/rss.h"

namespace pollmark {
namespace {

bool runs_v2() {
  return __builtin_cpu_supports("sse3") != 0 && __builtin_cpu_supports("ssse3") != 0 &&
         __builtin_cpu_supports("sse4.1") != 0 && __builtin_cpu_supports("sse4.2") != 0 &&
         __builtin_cpu_supports("popcnt") != 0;
}

bool runs_v3() {
  return runs_v2() && __builtin_cpu_supports("avx") != 0 && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
         __builtin_cpu_supports("fma") != 0;
}

bool runs_v4() {
  return runs_v3() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vbmi") != 0 && __builtin_cpu_supports("gfni") != 0;
}

// CPUID leaf 7: what __builtin_cpu_supports does not know.
struct Leaf7 {
  unsigned ebx = 0;
  unsigned ecx = 0;
};
Leaf7 leaf7() {
  unsigned eax = 0;
  unsigned edx = 0;
  Leaf7 leaf;
  if (__get_cpuid_count(7, 0, &eax, &leaf.ebx, &leaf.ecx, &edx) == 0) return {};
  return leaf;
}

Result<const HotLevel*> choose() {
  const char* wanted = std::getenv("POLLMARK_ISA");
  if (wanted != nullptr && *wanted != '\0') {
    auto level = hot_level_named(wanted);
    if (!level) return tl::unexpected<Error>(std::move(level).error().within("POLLMARK_ISA"));
    return level;
  }
  for (const HotLevel* level : runnable_hot_levels())
    if (hashes_as_verified(*level)) return level;
  return fail(Errc::host_cannot, "this CPU is below x86-64-v2 (SSE4.2, POPCNT)");
}

}  // namespace

std::vector<const HotLevel*> runnable_hot_levels() {
  std::vector<const HotLevel*> levels;
  if (runs_v4()) levels.push_back(&v4::hot_level);
  if (runs_v3()) levels.push_back(&v3::hot_level);
  if (runs_v2()) levels.push_back(&v2::hot_level);
  return levels;
}

Result<const HotLevel*> hot_level_named(std::string_view name) {
  if (name != "v2" && name != "v3" && name != "v4")
    return fail(Errc::bad_experiment,
                fmt::format("\"{}\" is no ISA level; allowed: v2, v3, v4", name));
  for (const HotLevel* level : runnable_hot_levels())
    if (name == level->name) return level;
  return fail(Errc::host_cannot, fmt::format("this CPU cannot run x86-64-{}{}", name,
                                             name == "v4" ? " with GFNI and AVX512-VBMI" : ""));
}

Result<const HotLevel*> chosen_hot_level() {
  static const Result<const HotLevel*> chosen = choose();
  return chosen;
}

bool has_cldemote() { return (leaf7().ecx & (1U << 25)) != 0; }
bool has_clflushopt() { return (leaf7().ebx & (1U << 23)) != 0; }

}  // namespace pollmark
