// Small text files of the kernel (/proc, /sys): one read, one write.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace pollmark {

// A file descriptor that is closed with it.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle();
  [[nodiscard]] int fd() const { return fd_; }  // -1: none

 private:
  int fd_ = -1;
};

// Below the folder (a descriptor, or AT_FDCWD), without the newline at the end. Errors: host_cannot
// with the file and the kernel's reason.
[[nodiscard]] Result<std::string> read_text_at(int folder_fd, const std::string& file);
// In one write, as the kernel's files want it; creates nothing. Errors: as above.
[[nodiscard]] Result<void> write_text_at(int folder_fd, const std::string& file,
                                         std::string_view text);

}  // namespace pollmark
