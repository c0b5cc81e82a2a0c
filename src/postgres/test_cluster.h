// A private Postgres for tests: its own data directory, its own port and socket, gone when the object is.
//
// The server refuses to run as root, so when the test does, it is started as user postgres. fsync is off:
// these servers are killed on purpose and thrown away. Not part of the program; only tests include this.
#pragma once

#include "base/error.h"

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <random>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tidemark::postgres {

class TestCluster {
 public:
  // `parent`: where the data directory is made (use TIDEMARK_BINARY_DIR). `settings`: further lines for
  // postgresql.conf. Aborts the test program when the server cannot be made: nothing sensible can follow.
  explicit TestCluster(const std::string& parent, const std::vector<std::string>& settings = {}) {
    std::filesystem::create_directories(parent);
    std::string pattern = parent + "/postgres-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) stop_test("mkdtemp failed in " + parent);
    directory_ = pattern;
    port_ = free_port();
    if (auto* user = server_user(); user != nullptr)
      if (chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) stop_test("chown failed");
    if (run({"initdb", "-D", data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync", "--no-instructions"}) != 0)
      stop_test("initdb failed, see " + log());
    std::ofstream configuration(data() + "/postgresql.conf", std::ios::app);
    configuration << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
                  << directory_ << "'\nwal_level = logical\nfsync = off\nfull_page_writes = off\n"
                  << "synchronous_commit = off\nmax_wal_senders = 20\nmax_replication_slots = 20\n"
                  << "shared_buffers = 64MB\nautovacuum = off\nlogging_collector = off\n";
    for (const auto& line : settings) configuration << line << "\n";
    configuration.close();
    start();
  }
  ~TestCluster() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  int port() const { return port_; }
  const std::string& directory() const { return directory_; }
  std::string url(const std::string& database = "postgres", const std::string& user = "postgres") const {
    return fmt::format("postgresql://{}@127.0.0.1:{}/{}", user, port_, database);
  }
  // One server for all tests of a program that do not need their own.
  static TestCluster& shared(const std::string& parent) {
    static TestCluster cluster(parent,
                               {"max_prepared_transactions = 10", "logical_decoding_work_mem = 64kB"});
    return cluster;
  }
  pid_t pid() const { return pid_; }

  // Starts the server and waits until it takes connections.
  void start() {
    pid_ = spawn({"postgres", "-D", data()}, true);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (run({"pg_isready", "-q", "-h", "127.0.0.1", "-p", std::to_string(port_)}) != 0) {
      if (std::chrono::steady_clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) == pid_)
        stop_test("the test server did not start, see " + log());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  // Clean and fast (sessions are ended); signal SIGQUIT is as good as a crash: recovery runs at the next
  // start.
  void stop(int signal = SIGINT) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    // A stream whose reader does not answer can hold up a clean stop; a test must end all the same.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        kill(pid_, SIGQUIT);
        waitpid(pid_, nullptr, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    pid_ = -1;
  }

 private:
  std::string data() const { return directory_ + "/data"; }
  std::string log() const { return directory_ + "/log"; }

  [[noreturn]] static void stop_test(const std::string& why) {
    fmt::print(stderr, "test cluster: {}\n", why);
    std::abort();
  }

  static const passwd* server_user() { return getuid() == 0 ? getpwnam("postgres") : nullptr; }

  // Below the range the kernel takes ports of outgoing connections from: a server that starts again on its
  // port would now and then find it in use by somebody's connection.
  static int free_port() {
    std::random_device random;
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const auto port = static_cast<uint16_t>(12'000 + random() % 20'000);
      int descriptor = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(port);
      bool bound = bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      close(descriptor);
      if (bound) return port;
    }
    stop_test("no free port");
  }

  static std::string program(const std::string& name) {
    const char* directory = std::getenv("TIDEMARK_POSTGRES_BIN");
    return std::string(directory == nullptr ? "/usr/lib/postgresql/15/bin" : directory) + "/" + name;
  }

  pid_t spawn(const std::vector<std::string>& command, bool dies_with_us) const {
    std::string path = program(command[0]);
    std::string log_path = log();
    const passwd* user = server_user();
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0) return child;
    if (user != nullptr && (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
                            setuid(user->pw_uid) != 0))
      _exit(126);
    // A test that crashes takes its server with it. After setuid, which clears the wish.
    if (dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGINT) != 0 || getppid() != parent)) _exit(126);
    int descriptor = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(descriptor, 1);
    dup2(descriptor, 2);
    std::vector<char*> arguments;
    for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    if (chdir(directory_.c_str()) != 0) _exit(126);
    execv(path.c_str(), arguments.data());
    _exit(127);
  }

  int run(const std::vector<std::string>& command) const {
    pid_t child = spawn(command, false);
    int status = -1;
    waitpid(child, &status, 0);
    return status;
  }

  std::string directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace tidemark::postgres
