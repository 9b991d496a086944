#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace pollmark {

void broken_invariant(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "pollmark: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::fflush(stderr);
  std::_Exit(static_cast<int>(Errc::broken));
}

}  // namespace pollmark
