#include "base/input_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace pollmark {
namespace {

namespace fs = std::filesystem;

class InputFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "pollmark-input-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(folder_ / "ten") << "0123456789";
    ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    fs::create_symlink("fifo", folder_ / "to_fifo");
    fs::create_symlink("ten", folder_ / "to_ten");
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string words_of(const fs::path& file, std::int64_t most = 100) const {
    const auto text = read_input_file(file, "a text", most);
    EXPECT_FALSE(text) << file;
    return text ? "" : text.error().text();
  }

  fs::path folder_;
};

TEST_F(InputFile, AnOrdinaryOneIsReadWholeThroughLinksToo) {
  for (const char* name : {"ten", "to_ten"}) {
    EXPECT_FALSE(not_an_ordinary_file(folder_ / name));
    EXPECT_EQ(read_input_file(folder_ / name, "a text", 10).value(), "0123456789");
  }
}

TEST_F(InputFile, WhatHasNoEndIsNeverOpened) {
  const std::string folder = folder_.string();
  EXPECT_EQ(words_of(folder_ / "fifo"), folder + "/fifo: is a FIFO; allowed: a text");
  EXPECT_EQ(words_of(folder_ / "to_fifo"), folder + "/to_fifo: is a FIFO; allowed: a text");
  EXPECT_EQ(words_of("/dev/zero"), "/dev/zero: is a device; allowed: a text");
  EXPECT_EQ(words_of(folder_), folder + ": is a folder; allowed: a text");
}

TEST_F(InputFile, WhatIsTooLongOrNotThereSaysSo) {
  const std::string folder = folder_.string();
  EXPECT_EQ(words_of(folder_ / "ten", 9),
            folder + "/ten: has 10 bytes, more than 9 B; allowed: a text");
  EXPECT_FALSE(not_an_ordinary_file(folder_ / "none"));
  EXPECT_EQ(words_of(folder_ / "none"), folder + "/none: no such file; allowed: a text");
}

}  // namespace
}  // namespace pollmark
