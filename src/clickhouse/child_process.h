// A child process that ends with us: it gets the reading end of a pipe (descriptor 3, its "lifeline") whose
// writing end only this process holds. Its own process group, so that Ctrl-C on the terminal reaches us alone
// and we decide in what order things stop. stdout and stderr go to a file. One owner; not thread-safe but for
// kill_with().
#pragma once

#include "base/error.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::clickhouse {

class ChildProcess {
 public:
  static constexpr int lifeline_descriptor = 3;

  // `arguments` with argv[0]. Errors: config when the program cannot be started.
  static Result<ChildProcess> start(const std::filesystem::path& program,
                                    const std::vector<std::string>& arguments,
                                    const std::filesystem::path& output);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // SIGKILL when it still runs

  int pid() const { return pid_; }
  // Waits up to `timeout`, or until descriptor `interrupt` (-1: none) is readable. True when the child has
  // ended.
  bool wait_for_end(std::chrono::milliseconds timeout, int interrupt = -1);
  // "ended with status 78", "was killed by signal 9"; after wait_for_end() was true.
  std::string how_it_ended() const;
  int exit_status() const;  // -1 when it did not exit by itself
  bool was_killed() const;  // it ended, by a signal
  void kill_with(int signal) const;

 private:
  ChildProcess() = default;
  void reap();
  void release();

  int pid_ = 0;
  int handle_ = -1;    // pidfd
  int lifeline_ = -1;  // writing end
  std::optional<int> status_;
};

}  // namespace tidemark::clickhouse
