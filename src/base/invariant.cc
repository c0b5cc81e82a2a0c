#include "base/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace tidemark {

void invariant_broken(const char* what, const char* file, int line) {
  std::fprintf(stderr,
               "tidemark: invariant broken: %s (%s:%d); restarting is safe, please report this line\n", what,
               file, line);
  std::abort();
}

}  // namespace tidemark
