// Errors a person can act on.
//
// Every function that can fail for a reason outside the program returns Result<T>. An Error says what kind of
// trouble it is (which decides the exit code, exit_code.h), what happened, in what context (innermost last
// added), and what the reader can do about it. Exceptions of libraries are turned into errors at the edge of
// the folder that uses them. Broken invariants of our own are not errors: they end the program (invariant.h).
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace tidemark {

enum class ErrorKind {
  usage,            // the command line is wrong
  config,           // a project file is wrong
  dependency_down,  // Postgres, ClickHouse or Kafka cannot be reached or says it is not ready; trying again
                    // may help
  refused,   // the server answered and said no (permission, wrong password, bad SQL); trying again does not
             // help
  conflict,  // somebody else holds what we need: port, lock, replication slot
  corrupt,   // bytes that break their protocol
  limit,     // a named bound (limits.h) was hit
  unsupported,      // understood, and not possible
  unknown_outcome,  // a write whose answer was lost: it may or may not have happened
  verification,     // numbers differ, an audit failed
  cancelled,        // we were told to stop
  internal,         // our own fault
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;               // what happened, one sentence, no trailing full stop
  std::vector<std::string> context;  // where, outermost last
  std::string remedy;                // what to do; empty when there is nothing sensible to say

  Error(ErrorKind kind, std::string message, std::string remedy = {})
      : kind(kind), message(std::move(message)), remedy(std::move(remedy)) {}

  Error&& in(std::string where) && {
    context.push_back(std::move(where));
    return std::move(*this);
  }

  // "context: context: message" on one line, the remedy on the next: what users and logs see.
  std::string describe() const;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string remedy = {}) {
  return tl::unexpected<Error>(Error(kind, std::move(message), std::move(remedy)));
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// "config", "dependency down", ...: the word used in logs and in --json output.
const char* name(ErrorKind kind);

}  // namespace tidemark

// TRY(expression) is the value of a Result or returns its error from the enclosing function; TRY_VOID for a
// Status. TRY_IN(expression, where) adds context on the way out.
#define TRY(...)                                                                                \
  ({                                                                                            \
    auto&& try_result_ = (__VA_ARGS__);                                                         \
    if (!try_result_) return tl::unexpected<::tidemark::Error>(std::move(try_result_.error())); \
    std::move(*try_result_);                                                                    \
  })
#define TRY_IN(expression, where)                                                                         \
  ({                                                                                                      \
    auto&& try_result_ = (expression);                                                                    \
    if (!try_result_) return tl::unexpected<::tidemark::Error>(std::move(try_result_.error()).in(where)); \
    std::move(*try_result_);                                                                              \
  })
#define TRY_VOID(...)                                                                           \
  do {                                                                                          \
    auto&& try_result_ = (__VA_ARGS__);                                                         \
    if (!try_result_) return tl::unexpected<::tidemark::Error>(std::move(try_result_.error())); \
  } while (false)
