// Assertions that stay in release builds: a broken invariant of our own ends the program, because a number
// computed after it could be wrong. Restarting is safe by design (every cut is replayable).
#pragma once

namespace tidemark {
[[noreturn]] void invariant_broken(const char* what, const char* file, int line);
}

#define INVARIANT(condition)                                                                             \
  do {                                                                                                   \
    if (__builtin_expect(!(condition), 0)) ::tidemark::invariant_broken(#condition, __FILE__, __LINE__); \
  } while (false)
