// What `tidemark demo` knows of a pack: its traffic, and what it prints at the end of --check.
#pragma once

#include "base/error.h"
#include "cli/generator_pace.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tidemark::cli {

// A pack's generator on one database. Threads: one at a time.
class DemoTraffic {
 public:
  virtual ~DemoTraffic() = default;
  virtual bool has_history() const = 0;
  // The page of the project, once it runs: before run() of packs that send events, too.
  virtual void send_to(const std::string& /*url*/) {}
  // Writes at the pack's own shares of updates and deletes until the pace ends or the generator is stopped.
  // `progress` gets the rows this run has written.
  virtual Status run(const Pace& pace, const std::function<void(uint64_t)>& progress) = 0;
};

struct CheckPhase {
  std::string name;  // how its rows come; empty: nothing is told of it
  Pace pace;
};

struct DemoPack {
  std::string name;
  std::string database;
  std::string url_variable;
  // Of a pack that sends events to the running project beside what it writes into Postgres: the variable with
  // the write key. Its history is written when the project runs.
  std::string key_variable = {};
  std::string rows;                 // what its rows are called
  std::vector<std::string> tables;  // printed by --check
  int64_t history = 0;              // rows before the capture starts
  double rate = 0;                  // rows a second, watched
  // While the stream runs, --check. `rows` of the last may be chosen.
  std::vector<CheckPhase> check;
  std::function<Result<std::unique_ptr<DemoTraffic>>(const std::string& url, uint64_t seed,
                                                     const std::atomic<bool>& stop)>
      open;
};

const std::vector<DemoPack>& demo_packs();

}  // namespace tidemark::cli
