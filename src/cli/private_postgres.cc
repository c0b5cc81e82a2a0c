#include "cli/private_postgres.h"

#include "base/clock.h"
#include "base/limits.h"
#include "postgres/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

namespace fs = std::filesystem;

// The newest installation, as Debian lays them out, or whatever is on PATH.
Result<fs::path> server_programs() {
  for (int version = 25; version >= 14; --version) {
    fs::path directory = fmt::format("/usr/lib/postgresql/{}/bin", version);
    if (fs::exists(directory / "postgres") && fs::exists(directory / "initdb")) return directory;
  }
  std::stringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string directory; std::getline(path, directory, ':');)
    if (fs::exists(fs::path(directory) / "initdb") && fs::exists(fs::path(directory) / "postgres"))
      return fs::path(directory);
  return fail(
      ErrorKind::config, "no Postgres server programs (initdb, postgres) on this machine",
      "install Debian's package postgresql, or run your own project with: tidemark new adtech; tidemark up");
}

// The port, or a free one for 0; 0 when it is taken.
uint16_t usable_port(uint16_t port) {
  int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  bool bound = bind(handle, generic, length) == 0 && getsockname(handle, generic, &length) == 0;
  close(handle);
  return bound ? ntohs(address.sin_port) : 0;
}

// Starts a program with its output appended to `log`; as `user` when given. Its end is ours: it gets SIGINT
// (fast shutdown) when this process's main thread ends.
int spawn(const std::vector<std::string>& command, const fs::path& log, const passwd* user) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int parent = getpid();
  int pid = fork();
  if (pid != 0) return pid;
  int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  dup2(output, 1);
  dup2(output, 2);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  // Its own group: a Ctrl-C in the terminal is for us, who then stop it in order.
  setpgid(0, 0);
  if (user != nullptr && (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
                          setuid(user->pw_uid) != 0))
    _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGINT);
  if (getppid() != parent) _exit(125);
  execv(arguments[0], arguments.data());
  _exit(127);
}

std::string end_of(const fs::path& log) {
  std::ifstream file(log);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.size() > limits::child_log_tail_bytes ? text.substr(text.size() - limits::child_log_tail_bytes)
                                                    : text;
}

Status make_cluster(const fs::path& programs, const fs::path& directory, const fs::path& log,
                    const passwd* user) {
  int pid = spawn({(programs / "initdb").string(), "-D", (directory / "data").string(), "-U", "postgres",
                   "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"},
                  log, user);
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) return fail(ErrorKind::dependency_down, "initdb failed:\n" + end_of(log));
  return {};
}

}  // namespace

Result<std::unique_ptr<PrivatePostgres>> PrivatePostgres::start(const fs::path& directory, uint16_t port) {
  fs::path programs = TRY(server_programs());
  const passwd* user = nullptr;
  if (geteuid() == 0) {
    user = getpwnam("postgres");
    if (user == nullptr)
      return fail(ErrorKind::config, "Postgres does not run as root and there is no user postgres",
                  "run as another user");
  }
  uint16_t wanted = port;
  port = usable_port(wanted);
  if (port == 0)
    return fail(ErrorKind::conflict, fmt::format("port {} of 127.0.0.1 is taken", wanted),
                "choose another with --postgres-port");
  fs::create_directories(directory);
  if (user != nullptr && chown(directory.c_str(), user->pw_uid, user->pw_gid) != 0)
    return fail(ErrorKind::refused, fmt::format("cannot give {} to user postgres", directory.string()));
  fs::path log = directory / "postgres.log";
  // The log is opened by the child before it becomes user postgres, so it may belong to us.
  if (!fs::exists(directory / "data" / "PG_VERSION")) TRY_VOID(make_cluster(programs, directory, log, user));
  int pid = spawn(
      {(programs / "postgres").string(), "-D", (directory / "data").string(), "-p", std::to_string(port),
       "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + directory.string(), "-c",
       "wal_level=logical", "-c", "max_wal_senders=10", "-c", "max_replication_slots=10", "-c",
       "shared_buffers=256MB", "-c", "max_wal_size=4GB"},
      log, user);
  std::unique_ptr<PrivatePostgres> postgres(new PrivatePostgres(pid, port));
  int64_t deadline = system_clock().monotonic_micros() + limits::private_postgres_start_us;
  while (true) {
    auto connection =
        postgres::Connection::open({.url = fmt::format("postgresql://postgres@127.0.0.1:{}/postgres", port)});
    if (connection) return postgres;
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      postgres->pid_ = 0;
      return fail(ErrorKind::dependency_down, "the private Postgres ended at once:\n" + end_of(log));
    }
    if (system_clock().monotonic_micros() > deadline)
      return fail(ErrorKind::dependency_down, "the private Postgres does not come up:\n" + end_of(log));
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
}

PrivatePostgres::~PrivatePostgres() {
  stop();
}

Result<std::string> PrivatePostgres::database(const std::string& name) {
  auto connection = TRY(
      postgres::Connection::open({.url = fmt::format("postgresql://postgres@127.0.0.1:{}/postgres", port_)}));
  auto rows = TRY(connection.query("SELECT 1 FROM pg_database WHERE datname = $1", {name}));
  if (rows.size() == 0) TRY_VOID(connection.execute("CREATE DATABASE " + postgres::quote_identifier(name)));
  return fmt::format("postgresql://postgres@127.0.0.1:{}/{}", port_, name);
}

void PrivatePostgres::stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGINT);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace tidemark::cli
