#include "host/file_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace pollmark {
namespace {

tl::unexpected<Error> file_refused(int reason, const std::string& file) {
  return fail(Errc::host_cannot, std::strerror(reason), file);
}

}  // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0) close(fd_);
}

Result<std::string> read_text_at(int folder_fd, const std::string& file) {
  const FileHandle handle(openat(folder_fd, file.c_str(), O_RDONLY | O_CLOEXEC));
  if (handle.fd() < 0) return file_refused(errno, file);
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t got = read(handle.fd(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_refused(errno, file);
    if (got == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return std::string(trimmed(text));
}

Result<void> write_text_at(int folder_fd, const std::string& file, std::string_view text) {
  const FileHandle handle(openat(folder_fd, file.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
  if (handle.fd() < 0) return file_refused(errno, file);
  if (write(handle.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return file_refused(errno, file);
  }
  return {};
}

}  // namespace pollmark
