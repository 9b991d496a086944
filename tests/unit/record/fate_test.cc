#include "record/fate.h"

#include <gtest/gtest.h>

#include <set>

namespace pollmark {
namespace {

TEST(Fate, NamesReadBackAndAreUnique) {
  std::set<std::string_view> names;
  for (const Fate fate : all_fates()) {
    names.insert(fate_name(fate));
    ASSERT_EQ(fate_from_name(fate_name(fate)), fate);
    EXPECT_FALSE(fate_sentence(fate).empty());
  }
  EXPECT_EQ(names.size(), kFateCount);
  EXPECT_EQ(fate_from_name("rx_mised"), std::nullopt);
  EXPECT_EQ(fate_from_name(""), std::nullopt);
}

TEST(Fate, KindsAreThoseOfTheBooks) {
  EXPECT_EQ(fate_kind(Fate::tx_unsent), FateKind::sender);
  EXPECT_EQ(fate_kind(Fate::received), FateKind::end);
  EXPECT_EQ(fate_kind(Fate::rx_missed), FateKind::loss);
  EXPECT_EQ(fate_kind(Fate::kernel_other), FateKind::loss);
  EXPECT_EQ(fate_kind(Fate::duplicate), FateKind::extra);
  EXPECT_EQ(fate_kind(Fate::foreign), FateKind::extra);
  EXPECT_EQ(fate_kind(Fate::late), FateKind::extra);
  EXPECT_EQ(fate_name(Fate::kernel_socket_buffer), "kernel_socket_buffer");
}

}  // namespace
}  // namespace pollmark
