#include "store/file_digest.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace pollmark {
namespace {

class FileDigest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "digest-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file_of(const std::string& text) const {
    const auto path = folder_ / "input";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::filesystem::path folder_;
};

// The check value of CRC-32/ISO-HDLC: "123456789" -> cbf43926.
TEST_F(FileDigest, IsSizeAndCrc32) {
  EXPECT_EQ(*file_digest(file_of("123456789")), "9 bytes, crc32 cbf43926");
  EXPECT_EQ(*file_digest(file_of("")), "0 bytes, crc32 00000000");
}

TEST_F(FileDigest, EveryByteOfALongFileCounts) {
  std::string text(200'000, 'a');
  const std::string before = *file_digest(file_of(text));
  for (const std::size_t at : {0UL, 65'535UL, 65'536UL, 199'999UL}) {
    text[at] = 'b';
    EXPECT_NE(*file_digest(file_of(text)), before) << at;
    text[at] = 'a';
  }
  EXPECT_EQ(*file_digest(file_of(text)), before);
}

TEST_F(FileDigest, WhatCannotBeReadIsSaid) {
  for (const auto& path : {folder_ / "absent", folder_}) {
    const auto digest = file_digest(path);
    ASSERT_FALSE(digest) << path;
    EXPECT_EQ(digest.error().code, Errc::bad_experiment);
    EXPECT_NE(digest.error().text().find(path.string()), std::string::npos);
  }
}

}  // namespace
}  // namespace pollmark
