#include "clickhouse/child_process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace tidemark::clickhouse {

Result<ChildProcess> ChildProcess::start(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments,
                                         const std::filesystem::path& output) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0)
    return fail(ErrorKind::limit, fmt::format("no pipe for a child process: {}", std::strerror(errno)),
                "raise the limit of open files");
  // A duplicate away from descriptor 3: dup2 onto itself would keep close-on-exec.
  int reading_end = fcntl(pipe_ends[0], F_DUPFD_CLOEXEC, 10);
  close(pipe_ends[0]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_adddup2(&actions, reading_end, lifeline_descriptor);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(reading_end);
  if (error != 0) {
    close(pipe_ends[1]);
    return fail(ErrorKind::config,
                fmt::format("{} cannot be started: {}", program.string(), std::strerror(error)),
                "is it installed beside tidemark, and executable?");
  }
  ChildProcess child;
  child.pid_ = pid;
  child.lifeline_ = pipe_ends[1];
  child.handle_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      handle_(std::exchange(other.handle_, -1)),
      lifeline_(std::exchange(other.lifeline_, -1)),
      status_(std::exchange(other.status_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(handle_, other.handle_);
  std::swap(lifeline_, other.lifeline_);
  std::swap(status_, other.status_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ != 0 && !status_) {
    kill_with(SIGKILL);
    wait_for_end(std::chrono::seconds(10));
  }
  release();
}

void ChildProcess::release() {
  if (handle_ >= 0) close(handle_);
  if (lifeline_ >= 0) close(lifeline_);
  handle_ = lifeline_ = -1;
}

void ChildProcess::reap() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
}

bool ChildProcess::wait_for_end(std::chrono::milliseconds timeout, int interrupt) {
  reap();
  if (status_) return true;
  pollfd watched[2] = {{handle_, POLLIN, 0}, {interrupt, POLLIN, 0}};
  poll(watched, interrupt >= 0 ? 2 : 1, static_cast<int>(timeout.count()));
  reap();
  return status_.has_value();
}

std::string ChildProcess::how_it_ended() const {
  if (!status_) return "still runs";
  if (WIFSIGNALED(*status_)) return fmt::format("was killed by signal {}", WTERMSIG(*status_));
  return fmt::format("ended with status {}", WEXITSTATUS(*status_));
}

int ChildProcess::exit_status() const {
  return status_ && WIFEXITED(*status_) ? WEXITSTATUS(*status_) : -1;
}

bool ChildProcess::was_killed() const {
  return status_ && WIFSIGNALED(*status_);
}

void ChildProcess::kill_with(int signal) const {
  if (pid_ != 0 && !status_) kill(pid_, signal);
}

}  // namespace tidemark::clickhouse
