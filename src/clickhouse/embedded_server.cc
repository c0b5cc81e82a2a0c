#include "clickhouse/embedded_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/child_process.h"
#include "clickhouse/client.h"
#include "clickhouse/embedded_config.h"
#include "clickhouse/embedded_directory.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace tidemark::clickhouse {
namespace {

namespace files = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds restart_pause_min{100};
constexpr milliseconds restart_pause_max{10'000};
constexpr seconds healthy_after{60};
constexpr int start_attempts = 5;
constexpr seconds stop_grace{10};
// An orphan of an earlier run ends within its own grace (embedded_main.cc).
constexpr seconds orphan_wait{12};
// And its sockets, which a process that was killed may have for longer than its name.
constexpr seconds orphan_sockets_wait{5};
constexpr milliseconds readiness_poll{20};
constexpr milliseconds ping_timeout{1000};
constexpr size_t log_excerpt_bytes = 2000;

int64_t now_ms() {
  return system_clock().monotonic_micros() / 1000;
}

// The host part of a URL for an address that was listened on.
std::string url_host(const std::string& listen) {
  if (listen.empty() || listen == "0.0.0.0") return "127.0.0.1";
  if (listen == "::") return "[::1]";
  return listen.find(':') == std::string::npos ? listen : "[" + listen + "]";
}

// Binds and lets go again. Returns the port, or an errno as a negative number.
int try_port(const std::string& listen, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(listen.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return -EADDRNOTAVAIL;
  int result = -EADDRNOTAVAIL;
  int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0) {
    int yes = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (bind(descriptor, found->ai_addr, found->ai_addrlen) != 0)
      result = -errno;
    else if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &length) == 0)
      result = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                 : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
    close(descriptor);
  }
  freeaddrinfo(found);
  return result;
}

// Tried again until `until_ms` when it is taken.
Result<uint16_t> claim_port(const std::string& listen, uint16_t wanted, const char* what, const char* setting,
                            int64_t until_ms) {
  int port = try_port(listen, wanted);
  while (port == -EADDRINUSE && now_ms() < until_ms) {
    std::this_thread::sleep_for(readiness_poll);
    port = try_port(listen, wanted);
  }
  if (port > 0) return static_cast<uint16_t>(port);
  if (port == -EADDRINUSE)
    return fail(ErrorKind::conflict,
                fmt::format("port {} on {} is taken, and the embedded ClickHouse needs it for {}", wanted,
                            listen, what),
                fmt::format("stop what uses it, or set {} to another port (0 picks a free one)", setting));
  return fail(ErrorKind::config,
              fmt::format("cannot listen on {}:{}: {}", listen, wanted, std::strerror(-port)),
              "set the listen address to one of this machine, for example 127.0.0.1");
}

files::path own_directory() {
  std::error_code error;
  files::path self = files::read_symlink("/proc/self/exe", error);
  return error ? files::current_path() : self.parent_path();
}

size_t memory_bound(size_t wanted) {
  if (wanted != 0) return wanted;
  size_t machine = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return std::min(limits::embedded_memory_bytes_max, machine / 10 * 6);
}

// The child of a Tidemark that was killed ends by itself; its ports and files are free after that.
void wait_for_orphan(const std::optional<LockText>& before, const files::path& directory) {
  if (!before || before->child_pid == 0) return;
  auto is_ours = [&] {
    std::string command = read_file(fmt::format("/proc/{}/cmdline", before->child_pid));
    return command.find((directory / "config").string()) != std::string::npos;
  };
  int64_t deadline = now_ms() + milliseconds(orphan_wait).count();
  while (is_ours() && now_ms() < deadline) std::this_thread::sleep_for(readiness_poll);
  if (is_ours()) kill(before->child_pid, SIGKILL);
}

Result<std::string> library_version(const files::path& program, const files::path& library,
                                    const files::path& output) {
  for (int attempt = 1;; ++attempt) {
    ChildProcess child = TRY(ChildProcess::start(
        program, {program.string(), "--library", library.string(), "--version", "yes"}, output));
    bool ended = child.wait_for_end(seconds(30));
    if (ended && child.exit_status() == 0) return last_lines(output, 100);
    // By somebody else: that says nothing of the library.
    if (ended && child.was_killed() && attempt < start_attempts) continue;
    return fail(ErrorKind::config,
                fmt::format("the ClickHouse library {} cannot be used: tidemark-clickhouse --version {}: {}",
                            library.string(), ended ? child.how_it_ended() : "did not end within 30 s",
                            last_lines(output, log_excerpt_bytes)),
                "install it again (npm ci), or set TIDEMARK_LIBCHDB to a working libchdb.so");
  }
}

}  // namespace

const char* name(Account account) {
  switch (account) {
    case Account::tidemark:
      return "tidemark";
    case Account::reader:
      return "reader";
    case Account::admin:
      return "admin";
  }
  return "";
}

const Endpoint& EmbeddedEndpoints::of(Account account) const {
  return account == Account::tidemark ? tidemark : account == Account::reader ? reader : admin;
}

struct EmbeddedServer::State {
  EmbeddedOptions options;
  DirectoryLock lock;
  EmbeddedEndpoints endpoints;
  std::string version;
  int interrupt = -1;  // eventfd: stop() was called

  std::mutex mutex;
  std::optional<ChildProcess> child;  // owned by the supervising thread once that runs
  std::atomic<int> child_pid{0};
  std::atomic<uint64_t> restarts{0};
  std::atomic<bool> stopping{false};
  std::function<void(bool)> observer;
  std::thread supervisor;

  explicit State(DirectoryLock taken) : lock(std::move(taken)) {}
  ~State() {
    if (interrupt >= 0) close(interrupt);
  }

  const files::path& directory() const { return options.data_directory; }
  files::path child_output() const { return directory() / "logs" / "child.log"; }

  Status write_configuration();
  Status start_child();
  Status wait_until_ready();
  std::string explain_failure() const;
  void supervise();
  void tell(bool up);
};

Status EmbeddedServer::State::write_configuration() {
  EmbeddedConfig config;
  config.directory = directory();
  config.listen = options.listen;
  config.http_port = endpoints.tidemark.port;
  config.tcp_port = endpoints.tcp_port;
  config.memory_bytes_max = memory_bound(options.memory_bytes_max);
  config.extra = options.extra_config;
  config.tidemark_password_hash = sha256_hex(endpoints.tidemark.password.reveal());
  config.reader_password_hash = sha256_hex(endpoints.reader.password.reveal());
  config.admin_password_hash = sha256_hex(endpoints.admin.password.reveal());
  config.reader_seconds_max = static_cast<uint64_t>(options.reader_time_max.count());
  config.reader_result_rows_max = options.reader_result_rows_max;
  TRY_VOID(write_private_file(directory() / "config" / "config.xml", server_config_text(config)));
  return write_private_file(directory() / "config" / "users.xml", users_config_text(config));
}

Status EmbeddedServer::State::start_child() {
  child = TRY(ChildProcess::start(options.program,
                                  {options.program.string(), "--library", options.library.string(),
                                   "--config", (directory() / "config" / "config.xml").string(), "--lifeline",
                                   std::to_string(ChildProcess::lifeline_descriptor)},
                                  child_output()));
  child_pid = child->pid();
  LockText text;
  text.pid = getpid();
  text.child_pid = child->pid();
  text.http_port = endpoints.tidemark.port;
  text.tcp_port = endpoints.tcp_port;
  text.listen = options.listen;
  return lock.write(text);
}

std::string EmbeddedServer::State::explain_failure() const {
  std::string output = last_lines(child_output(), log_excerpt_bytes);
  std::string log = last_lines(directory() / "logs" / "clickhouse-errors.log", log_excerpt_bytes);
  if (!log.empty()) output += (output.empty() ? "" : "\n") + log;
  return output.empty() ? "it left no log lines" : output;
}

Status EmbeddedServer::State::wait_until_ready() {
  Client client(endpoints.tidemark);
  int64_t deadline = now_ms() + options.start_timeout.count();
  std::string last = "no answer yet";
  while (true) {
    if (child->wait_for_end(readiness_poll, interrupt))
      return fail(ErrorKind::dependency_down,
                  fmt::format("the embedded ClickHouse {} while starting: {}", child->how_it_ended(),
                              explain_failure()),
                  fmt::format("see {}", (directory() / "logs").string()));
    if (stopping) return fail(ErrorKind::cancelled, "stopped while ClickHouse was starting");
    if (client.ping(ping_timeout)) {
      QueryOptions query;
      query.timeout = ping_timeout;
      auto answer = client.query("SELECT version()", query);
      if (answer) {
        std::lock_guard guard(mutex);
        version = answer->columns[0].text(0);
        return {};
      }
      last = answer.error().message;
      if (answer.error().kind == ErrorKind::refused) break;
    }
    if (now_ms() > deadline) break;
  }
  return fail(ErrorKind::dependency_down,
              fmt::format("the embedded ClickHouse did not come up within {} s ({}): {}",
                          options.start_timeout.count() / 1000, last, explain_failure()),
              fmt::format("see {}", (directory() / "logs").string()));
}

void EmbeddedServer::State::tell(bool up) {
  std::function<void(bool)> told;
  {
    std::lock_guard guard(mutex);
    told = observer;
  }
  if (told) told(up);
}

void EmbeddedServer::State::supervise() {
  milliseconds pause = restart_pause_min;
  int64_t up_since = now_ms();
  while (!stopping) {
    if (!child->wait_for_end(seconds(3600), interrupt)) continue;
    if (stopping) break;
    child_pid = 0;
    log::error("the embedded ClickHouse {}; starting it again in {} ms", child->how_it_ended(),
               pause.count());
    tell(false);
    if (now_ms() - up_since > milliseconds(healthy_after).count()) pause = restart_pause_min;
    while (!stopping) {
      // Interruptible pause: the ended child's descriptor would wake a poll at once, so sleep in small steps.
      for (int64_t until = now_ms() + pause.count(); !stopping && now_ms() < until;)
        std::this_thread::sleep_for(readiness_poll);
      pause = std::min(pause * 2, restart_pause_max);
      if (stopping) return;
      Status ready = start_child();
      if (ready) ready = wait_until_ready();
      if (ready) break;
      if (stopping) return;
      log::error("{}", ready.error().describe());
      child->kill_with(SIGKILL);
      child->wait_for_end(stop_grace);
    }
    if (stopping) return;
    ++restarts;
    up_since = now_ms();
    log::info("the embedded ClickHouse is back (process {})", child->pid());
    tell(true);
  }
}

Result<std::unique_ptr<EmbeddedServer>> EmbeddedServer::start(EmbeddedOptions options) {
  std::error_code ignored;
  options.data_directory = files::absolute(options.data_directory).lexically_normal();
  if (options.program.empty()) options.program = own_directory() / "tidemark-clickhouse";
  if (!files::exists(options.program, ignored))
    return fail(ErrorKind::config, fmt::format("{} is missing", options.program.string()),
                "it is installed beside tidemark; or set warehouse.url to a ClickHouse server");
  if (options.library.empty()) options.library = TRY(find_library(options.program));

  auto state = std::make_unique<State>(TRY(DirectoryLock::take(options.data_directory)));
  state->options = options;
  const files::path& directory = state->options.data_directory;
  for (const char* folder : {"config", "logs", "clickhouse", "user_files"}) {
    std::error_code error;
    files::create_directories(directory / folder, error);
    if (error)
      return fail(ErrorKind::config,
                  fmt::format("{} cannot be made: {}", (directory / folder).string(), error.message()),
                  "make the data directory writable for this user");
  }
  wait_for_orphan(state->lock.left_behind(), directory);
  TRY_VOID(guard_version(directory,
                         TRY(library_version(options.program, options.library, state->child_output()))));

  Endpoint endpoint;
  endpoint.url_host = url_host(options.listen);
  const auto& before = state->lock.left_behind();
  int64_t until = before && before->child_pid != 0 ? now_ms() + milliseconds(orphan_sockets_wait).count() : 0;
  endpoint.port = TRY(claim_port(options.listen, options.http_port, "HTTP", "warehouse.http_port", until));
  do {
    state->endpoints.tcp_port =
        TRY(claim_port(options.listen, options.tcp_port, "its native protocol", "warehouse.tcp_port", until));
  } while (options.tcp_port == 0 && state->endpoints.tcp_port == endpoint.port);
  state->endpoints.owner_pid = getpid();
  for (auto [account, place] : {std::pair{Account::tidemark, &state->endpoints.tidemark},
                                std::pair{Account::reader, &state->endpoints.reader},
                                std::pair{Account::admin, &state->endpoints.admin}}) {
    *place = endpoint;
    place->user = name(account);
    place->password = TRY(account_password(directory, name(account)));
  }
  TRY_VOID(state->write_configuration());
  state->interrupt = eventfd(0, EFD_CLOEXEC);
  // A child that is killed (by the kernel for its memory, by an operator) comes up at the next try; one that
  // ends by itself has a reason that stays.
  for (int attempt = 1;; ++attempt) {
    TRY_VOID(state->start_child());
    Status ready = state->wait_until_ready();
    if (ready) break;
    if (!state->child->was_killed() || attempt == start_attempts) return fail(std::move(ready.error()));
    log::warn("{}; starting it again", ready.error().message);
  }
  auto server = std::unique_ptr<EmbeddedServer>(new EmbeddedServer(std::move(state)));
  server->state_->supervisor = std::thread([raw = server->state_.get()] { raw->supervise(); });
  return server;
}

EmbeddedServer::EmbeddedServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

EmbeddedServer::~EmbeddedServer() {
  stop();
}

Endpoint EmbeddedServer::endpoint(Account account) const {
  return state_->endpoints.of(account);
}
uint16_t EmbeddedServer::http_port() const {
  return state_->endpoints.tidemark.port;
}
uint16_t EmbeddedServer::tcp_port() const {
  return state_->endpoints.tcp_port;
}
std::string EmbeddedServer::version() const {
  std::lock_guard guard(state_->mutex);
  return state_->version;
}
int EmbeddedServer::child_pid() const {
  return state_->child_pid;
}
uint64_t EmbeddedServer::restarts() const {
  return state_->restarts;
}
void EmbeddedServer::observe(std::function<void(bool up)> observer) {
  std::lock_guard guard(state_->mutex);
  state_->observer = std::move(observer);
}

void EmbeddedServer::stop() {
  if (state_->stopping.exchange(true)) return;
  uint64_t one = 1;
  if (write(state_->interrupt, &one, sizeof one) < 0)
    log::warn("the supervisor of ClickHouse could not be woken");
  if (state_->supervisor.joinable()) state_->supervisor.join();
  auto& child = *state_->child;
  child.kill_with(SIGTERM);
  if (!child.wait_for_end(stop_grace)) {
    log::warn("the embedded ClickHouse did not end within {} s and is killed", stop_grace.count());
    child.kill_with(SIGKILL);
    child.wait_for_end(stop_grace);
  }
  state_->child_pid = 0;
  state_->lock.clear();
}

std::optional<EmbeddedEndpoints> EmbeddedServer::find_running(const files::path& data_directory,
                                                              milliseconds patience) {
  for (int64_t until = now_ms() + patience.count();;) {
    auto held = DirectoryLock::held_by_another(data_directory);
    if (!held) return std::nullopt;
    if (held->http_port != 0) {
      EmbeddedEndpoints endpoints;
      endpoints.tcp_port = held->tcp_port;
      endpoints.owner_pid = held->pid;
      for (auto [account, place] :
           {std::pair{Account::tidemark, &endpoints.tidemark}, std::pair{Account::reader, &endpoints.reader},
            std::pair{Account::admin, &endpoints.admin}}) {
        place->url_host = url_host(held->listen);
        place->port = held->http_port;
        place->user = name(account);
        if (auto password = existing_password(data_directory, name(account))) place->password = *password;
      }
      if (Client(endpoints.tidemark).ping(ping_timeout)) return endpoints;
    }
    if (now_ms() >= until) return std::nullopt;
    std::this_thread::sleep_for(readiness_poll);
  }
}

Result<files::path> EmbeddedServer::find_library(const files::path& program) {
  constexpr const char* file = "libchdb.so";
  std::vector<files::path> places;
  if (const char* set = std::getenv("TIDEMARK_LIBCHDB"); set != nullptr && *set != '\0') {
    places.emplace_back(set);
  } else {
    files::path directory = files::absolute(program).parent_path();
    places.push_back(directory / file);
    places.push_back(directory.parent_path() / "lib" / "tidemark" / file);
    for (files::path above = directory;; above = above.parent_path()) {
      places.push_back(above / "node_modules" / "@chdb" / "lib-linux-x64-gnu" / file);
      if (above == above.parent_path()) break;
    }
  }
  std::string looked;
  for (const auto& place : places) {
    std::error_code error;
    if (files::exists(place, error)) return place;
    looked += (looked.empty() ? "" : ", ") + place.string();
  }
  return fail(ErrorKind::config,
              fmt::format("the ClickHouse library {} was not found (looked at {})", file, looked),
              "run npm ci in the source tree, or set TIDEMARK_LIBCHDB to where it is, or set warehouse.url "
              "to a server");
}

}  // namespace tidemark::clickhouse
