// Asks the process that runs a project for a run of a refresh model, and waits for a run that began after the
// asking.
#pragma once

#include "cli/running_instance.h"

#include <cstdint>
#include <string>

namespace tidemark::cli {

struct RefreshAnswer {
  std::string model;
  uint64_t rows = 0, bytes = 0;
  int64_t as_of_micros = 0;
};

struct RefreshTicket {
  std::string model;
  uint64_t number = 0;
};

// Errors: config when there is no such refresh model; dependency_down when the process went away.
Result<RefreshTicket> ask_refresh(const RunningInstance& running, const std::string& model);
// Errors: refused when the run failed (its result before stays); limit; dependency_down.
Result<RefreshAnswer> await_refresh(const RunningInstance& running, const RefreshTicket& ticket);

}  // namespace tidemark::cli
