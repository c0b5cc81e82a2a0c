// tidemark-clickhouse: ClickHouse as a process of its own. It loads libchdb.so and lets it run `clickhouse
// local` with the config file it is given; three statements make a server of that: open the HTTP port, open
// the native port, and sleep. Its own program, so that a crash of the database is not a crash of Tidemark,
// and so that its memory is counted apart. embedded_server.cc starts and supervises it.
//
//   tidemark-clickhouse --library PATH --config PATH [--lifeline FD]
//   tidemark-clickhouse --library PATH --version yes      prints the library's version
//
// FD is the reading end of a pipe whose other end only the parent holds: when the parent ends, however it
// ends, the read returns and this process ends too. (PR_SET_PDEATHSIG would watch the parent's thread, not
// the parent.)
//
// Exit status: 2 bad arguments, 78 the library cannot be loaded, 69 ClickHouse did not start, 0 asked to end.
// The reason is one line on stderr.

#include "clickhouse/part_sync.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>
#include <string>
#include <unistd.h>

namespace {

// The part of libchdb's C interface used here; the library comes without a header. A result is opaque.
struct ChdbResult;
using RunCommandLine = ChdbResult* (*)(int argc, char** argv);
using ResultError = const char* (*)(ChdbResult*);

constexpr int exit_usage = 2;
constexpr int exit_not_started = 69;
constexpr int exit_no_library = 78;
// ClickHouse ends half a second after SIGTERM; when it hangs, nobody is left to wait for it.
constexpr unsigned orphan_grace_seconds = 10;

int lifeline = -1;

void* end_with_parent(void*) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(lifeline, &byte, 1);
  } while (got > 0 || (got < 0 && errno == EINTR));
  kill(getpid(), SIGTERM);
  sleep(orphan_grace_seconds);
  _exit(0);
}

// The sleeping statement: each row is one sleep, so the server lives rows x seconds, far longer than any
// machine.
constexpr const char* statements =
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT sleepEachRow(3) FROM numbers(10000000000) SETTINGS max_block_size = 1 FORMAT Null";

using tidemark::clickhouse::PartSync;

// Never taken down: the library's threads outlive main.
PartSync* part_sync() {
  static PartSync* sync = []() -> PartSync* {
    auto plain = reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, "fdatasync"));
    if (plain == nullptr || !tidemark::clickhouse::syncfs_tells_errors()) return nullptr;
    return new PartSync(tidemark::clickhouse::system_disk(plain));
  }();
  return sync;
}

}  // namespace

// The library's fdatasync: it is looked for in the program before it is looked for in the C library.
extern "C" __attribute__((visibility("default"))) int fdatasync(int descriptor) {
  PartSync* sync = part_sync();
  return sync == nullptr ? fsync(descriptor) : sync->sync(descriptor);
}

int main(int argc, char** argv) {
  std::string library;
  std::string config;
  bool version = false;
  for (int index = 1; index + 1 < argc; index += 2) {
    std::string option = argv[index];
    if (option == "--library")
      library = argv[index + 1];
    else if (option == "--config")
      config = argv[index + 1];
    else if (option == "--lifeline")
      lifeline = std::atoi(argv[index + 1]);
    else if (option == "--version")
      version = true;
  }
  if (library.empty() || (config.empty() && !version) || argc % 2 == 0) {
    std::fprintf(stderr, "usage: tidemark-clickhouse --library PATH --config PATH [--lifeline FD]\n");
    return exit_usage;
  }
  if (lifeline >= 0) {
    pthread_t watcher;
    if (pthread_create(&watcher, nullptr, end_with_parent, nullptr) != 0) {
      std::fprintf(stderr, "tidemark-clickhouse: no thread to watch the parent with\n");
      return exit_not_started;
    }
    pthread_detach(watcher);
  }
  // Days of times without a zone are days of UTC, wherever the machine stands.
  setenv("TZ", "UTC", 1);
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "tidemark-clickhouse: cannot load the ClickHouse library: %s\n", dlerror());
    return exit_no_library;
  }
  if (version) {
    auto version_of = reinterpret_cast<const char* (*)()>(dlsym(handle, "chdb_version"));
    std::printf("%s\n", version_of == nullptr ? "0" : version_of());
    std::fflush(nullptr);
    _exit(0);
  }
  auto run = reinterpret_cast<RunCommandLine>(dlsym(handle, "chdb_query_cmdline"));
  auto error_of = reinterpret_cast<ResultError>(dlsym(handle, "chdb_result_error"));
  if (run == nullptr || error_of == nullptr) {
    std::fprintf(stderr, "tidemark-clickhouse: %s has no chdb_query_cmdline\n", library.c_str());
    return exit_no_library;
  }
  std::string config_option = "--config-file=" + config;
  std::string query_option = std::string("--query=") + statements;
  char program[] = "clickhouse";
  char* arguments[] = {program, config_option.data(), query_option.data(), nullptr};
  ChdbResult* result = run(3, arguments);
  const char* reason = result == nullptr ? nullptr : error_of(result);
  if (reason != nullptr) std::fprintf(stderr, "tidemark-clickhouse: %s\n", reason);
  // Static destructors of a library this large are not worth waiting for, and have crashed.
  std::fflush(nullptr);
  _exit(reason == nullptr ? 0 : exit_not_started);
}
