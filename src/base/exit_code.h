// What the program's exit status says to scripts. Documented in docs/CLI.md; never renumber.
#pragma once

#include "base/error.h"

namespace tidemark {

enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  plan_has_changes = 3,
  verify_failed = 4,
  dependency_down = 69,  // EX_UNAVAILABLE of sysexits.h
  bad_config = 78,       // EX_CONFIG
  interrupted = 130,
  terminated = 143,
};

inline ExitCode exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::config:
      return ExitCode::bad_config;
    case ErrorKind::dependency_down:
      return ExitCode::dependency_down;
    case ErrorKind::verification:
      return ExitCode::verify_failed;
    default:
      return ExitCode::failed;
  }
}

}  // namespace tidemark
