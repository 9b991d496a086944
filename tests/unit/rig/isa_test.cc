#include "rig/isa.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

// libdpdk's own flags say -march=corei7: were they to come last, every level would be that.
TEST(Isa, EachLevelWasCompiledForItself) {
  EXPECT_STREQ(v2::hot_level.name, "v2");
  EXPECT_FALSE(v2::hot_level.has_avx2);
  EXPECT_FALSE(v2::hot_level.has_avx512f);
  EXPECT_FALSE(v2::hot_level.has_gfni);
  EXPECT_STREQ(v3::hot_level.name, "v3");
  EXPECT_TRUE(v3::hot_level.has_avx2);
  EXPECT_FALSE(v3::hot_level.has_avx512f);
  EXPECT_STREQ(v4::hot_level.name, "v4");
  EXPECT_TRUE(v4::hot_level.has_avx2);
  EXPECT_TRUE(v4::hot_level.has_avx512f);
  EXPECT_TRUE(v4::hot_level.has_gfni);
}

TEST(Isa, TheRestIsCompiledForTheLowest) {
#if defined(__AVX__) || defined(__AVX2__) || defined(__AVX512F__)
  FAIL() << "compiled above x86-64-v2";
#endif
}

TEST(Isa, ANameThatIsNoneIsRefused) {
  const auto refused = hot_level_named("avx2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_experiment);
  EXPECT_EQ(refused.error().what, "\"avx2\" is no ISA level; allowed: v2, v3, v4");
}

TEST(Isa, ALevelIsGivenIfAndOnlyIfTheCpuRunsIt) {
  for (const char* name : {"v2", "v3", "v4"}) {
    bool runnable = false;
    for (const HotLevel* level : runnable_hot_levels())
      runnable = runnable || std::string(level->name) == name;
    const auto level = hot_level_named(name);
    EXPECT_EQ(level.has_value(), runnable) << name;
    if (!level) {
      EXPECT_EQ(level.error().code, Errc::host_cannot);
    }
  }
  EXPECT_STREQ(runnable_hot_levels().back()->name, "v2");
}

}  // namespace
}  // namespace pollmark
