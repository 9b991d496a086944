// The BPF program as it lies in the binary. Opening it takes no right and no kernel.
#include <drop_reasons.skel.h>
#include <gtest/gtest.h>

#include <memory>
#include <type_traits>

#include "host/drop_keys.h"

namespace pollmark {
namespace {

struct Destroyed {
  void operator()(drop_reasons* program) const { drop_reasons::destroy(program); }
};

class DropProgram : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(program_); }
  std::unique_ptr<drop_reasons, Destroyed> program_{drop_reasons::open()};
};

TEST_F(DropProgram, KeepsTablesOfTheSizesThatItsReaderExpects) {
  const auto& maps = program_->maps;
  EXPECT_EQ(bpf_map__key_size(maps.drops), sizeof(pm_drop_key));
  EXPECT_EQ(bpf_map__value_size(maps.drops), sizeof(pm_drop_count));
  EXPECT_EQ(bpf_map__key_size(maps.flows), sizeof(pm_drop_flow));
  EXPECT_EQ(bpf_map__value_size(maps.flows), sizeof(pm_drop_count));
}

TEST_F(DropProgram, KeysHaveNoPadding) {
  EXPECT_TRUE(std::has_unique_object_representations_v<pm_drop_key>);
  EXPECT_TRUE(std::has_unique_object_representations_v<pm_drop_flow>);
}

}  // namespace
}  // namespace pollmark
