// The wire side: one coroutine a connection on one socket thread, handlers on a worker pool. Boost.Asio moves
// bytes and Boost.Beast parses requests; responses are written by hand, as head and body in one gathered
// write.
#include "http/server.h"

#include "base/limits.h"
#include "base/log.h"
#include "http/http_limits.h"
#include "http/router.h"
#include "http/security_policy.h"
#include "http/status_text.h"
#include "http/stream_queue.h"
#include "http/url.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <set>

namespace tidemark::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::seconds;

namespace {

constexpr auto use_result = asio::as_tuple(asio::use_awaitable);

// Sent with every response that does not say otherwise, beside security_policy.h.
constexpr std::pair<std::string_view, std::string_view> security_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

void add(std::vector<std::pair<std::string, std::string>>& headers,
         const std::vector<std::pair<std::string, std::string>>& more) {
  headers.insert(headers.end(), more.begin(), more.end());
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& character : result)
    character = static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
  return result;
}

std::string date_header() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  const size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, size);
}

std::string head_of(const Response& response, size_t content_length, bool keep_alive) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
  const auto has = [&](std::string_view name) {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [&](const auto& header) { return lower(header.first) == lower(name); });
  };
  for (const auto& [name, value] : response.headers) {
    // A line break in a value would start a header of its own.
    if (value.find_first_of("\r\n") != std::string::npos) continue;
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has("Content-Security-Policy"))
    head.append("Content-Security-Policy: ").append(content_security_policy("'self'")).append("\r\n");
  for (const auto& [name, value] : security_headers)
    if (!has(name)) head.append(name).append(": ").append(value).append("\r\n");
  head += "Date: " + date_header() + "\r\n";
  if (response.status != 204 && response.status != 304)
    head += fmt::format("Content-Length: {}\r\n", content_length);
  if (!keep_alive) head += "Connection: close\r\n";
  return head + "\r\n";
}

}  // namespace

class Server::Implementation {
 public:
  explicit Implementation(ServerOptions options) : options_(std::move(options)) {}
  ~Implementation() { stop(); }

  Status start();
  void stop();
  uint16_t port() const { return port_; }
  ServerCounters counters() const;
  Router router;
  Guard guard;

 private:
  struct Connection {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)), wake(stream.get_executor()) {}
    beast::tcp_stream stream;
    asio::steady_timer wake;  // cancelled when an event stream has something to send
    std::string remote;
    bool idle = false;  // waiting for a request
    std::shared_ptr<StreamQueue> events;
  };
  using ConnectionPointer = std::shared_ptr<Connection>;

  struct Deferred;

  asio::awaitable<void> accept();
  asio::awaitable<void> serve(ConnectionPointer connection);
  asio::awaitable<bool> answer(ConnectionPointer connection, Request request, std::string raw_path,
                               bool keep_alive);
  asio::awaitable<bool> send(ConnectionPointer connection, const Response& response, bool head_only,
                             bool keep_alive);
  asio::awaitable<void> run_stream(ConnectionPointer connection, std::shared_ptr<StreamQueue> queue,
                                   const Request& request);
  asio::awaitable<void> watch_for_end(ConnectionPointer connection, std::shared_ptr<StreamQueue> queue);
  asio::awaitable<void> watch_for_hanging_up(ConnectionPointer connection,
                                             std::shared_ptr<std::atomic<bool>> gone);
  asio::awaitable<Response> run_deferred(const DeferredHandler& handler, Request request);
  asio::awaitable<Response> run_handler(std::function<Response()> handler);
  bool host_allowed(const Request& request) const;
  void count(const std::string& pattern, int status);

  const ServerOptions options_;
  bool loopback_ = true;
  uint16_t port_ = 0;
  asio::io_context io_{1};
  std::unique_ptr<tcp::acceptor> acceptor_;
  std::unique_ptr<asio::thread_pool> workers_;
  std::thread thread_;
  std::atomic<size_t> requests_running_{0};
  std::atomic<size_t> connections_open_{0};
  size_t deferred_bytes_ = 0;  // socket thread only

  // Socket thread only.
  std::set<ConnectionPointer> connections_;
  bool stopping_ = false;

  mutable std::mutex counters_mutex_;
  ServerCounters counters_;
};

Status Server::Implementation::start() {
  error_code error;
  const auto address =
      asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, error);
  if (error)
    return fail(
        ErrorKind::config, fmt::format("{} is not an address to listen on", options_.host),
        fmt::format("set {} to an address and a port, such as 127.0.0.1:8088", options_.port_setting));
  loopback_ = address.is_loopback();
  const tcp::endpoint endpoint(address, options_.port);
  auto acceptor = std::make_unique<tcp::acceptor>(io_);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(1024, error);
  if (error == boost::system::errc::address_in_use)
    return fail(
        ErrorKind::conflict,
        fmt::format("port {} on {} is taken by another program", options_.port, options_.host),
        fmt::format("stop the program that listens there, or set {} to another port", options_.port_setting));
  if (error == boost::system::errc::permission_denied)
    return fail(
        ErrorKind::refused, fmt::format("not permitted to listen on port {}", options_.port),
        fmt::format("ports below 1024 need privileges; set {} to a higher port", options_.port_setting));
  if (error)
    return fail(ErrorKind::config,
                fmt::format("cannot listen on {}:{}: {}", options_.host, options_.port, error.message()),
                fmt::format("check {}", options_.port_setting));
  port_ = acceptor->local_endpoint().port();
  acceptor_ = std::move(acceptor);
  workers_ = std::make_unique<asio::thread_pool>(limits::http_worker_threads);
  asio::co_spawn(io_, accept(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
  return {};
}

void Server::Implementation::stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    stopping_ = true;
    error_code ignored;
    acceptor_->close(ignored);
    for (const auto& connection : connections_) {
      if (connection->events) connection->events->close();
      if (connection->idle) connection->stream.close();
    }
  });
  // io_ runs out of work when the last connection is gone; the deadline is for those that will not go.
  auto deadline = std::make_shared<asio::steady_timer>(io_.get_executor());
  asio::post(io_, [this, deadline] {
    deadline->expires_after(seconds(limits::http_shutdown_seconds_max));
    deadline->async_wait([this, deadline](error_code error) {
      if (!error) io_.stop();
    });
    // Polled rather than signalled: connections end in many ways, and this runs once in a process's life.
    auto poll = std::make_shared<std::function<void()>>();
    auto timer = std::make_shared<asio::steady_timer>(io_.get_executor());
    *poll = [this, deadline, timer, weak = std::weak_ptr(poll)] {
      if (connections_.empty()) {
        deadline->cancel();
        return;
      }
      timer->expires_after(std::chrono::milliseconds(5));
      timer->async_wait([again = weak.lock()](error_code error) {
        if (!error && again) (*again)();
      });
    };
    (*poll)();
  });
  thread_.join();
  workers_->join();
  connections_.clear();
  acceptor_.reset();
}

asio::awaitable<void> Server::Implementation::accept() {
  while (acceptor_->is_open()) {
    auto [error, socket] = co_await acceptor_->async_accept(use_result);
    if (error == asio::error::operation_aborted || !acceptor_->is_open()) co_return;
    if (error) {
      // Out of descriptors: give connections time to end instead of spinning.
      log::warn("http: accept: {}", error.message());
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(use_result);
      continue;
    }
    if (connections_.size() >= limits::http_connections_max) {
      std::lock_guard lock(counters_mutex_);
      ++counters_.connections_refused;
      continue;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto peer = socket.remote_endpoint(ignored);
    auto connection = std::make_shared<Connection>(std::move(socket));
    connection->remote = ignored ? "" : peer.address().to_string();
    connections_.insert(connection);
    ++connections_open_;
    asio::co_spawn(io_, serve(connection), [this, connection](const std::exception_ptr&) {
      if (connection->events) connection->events->close();
      connection->stream.close();
      connections_.erase(connection);
      --connections_open_;
    });
  }
}

asio::awaitable<void> Server::Implementation::serve(ConnectionPointer connection) {
  beast::flat_buffer buffer;
  bool keep_alive = true;
  while (keep_alive && !stopping_) {
    beast::http::request_parser<beast::http::string_body> parser;
    parser.header_limit(limits::http_header_bytes_max);
    parser.body_limit(limits::http_body_bytes_max);
    if (buffer.size() == 0) {
      connection->idle = true;
      connection->stream.expires_after(seconds(limits::http_idle_seconds_max));
      auto [error, count] = co_await connection->stream.async_read_some(buffer.prepare(4096), use_result);
      connection->idle = false;
      if (error) co_return;
      buffer.commit(count);
    }
    connection->stream.expires_after(seconds(limits::http_read_seconds_max));
    auto [error, count] = co_await beast::http::async_read(connection->stream, buffer, parser, use_result);
    if (error) {
      std::optional<Response> response;
      if (error == beast::http::error::header_limit)
        response = Response::problem(431, "header too large", "the request's header is larger than 16 kB");
      else if (error == beast::http::error::body_limit)
        response = Response::problem(413, "body too large", "the request's body is larger than 1 MB");
      else if (error.category() == make_error_code(beast::http::error::bad_method).category() &&
               error != beast::http::error::end_of_stream && error != beast::http::error::partial_message)
        response = Response::problem(400, "bad request", "this is not an HTTP/1.1 request");
      if (response) {
        this->count("", response->status);
        co_await send(connection, *response, false, false);
      }
      co_return;
    }
    auto message = parser.release();
    keep_alive = message.keep_alive();
    Request request;
    request.method = std::string(message.method_string());
    request.remote = connection->remote;
    for (const auto& field : message)
      request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
    const std::string target(message.target());
    request.body = std::move(message.body());
    const size_t question = std::min(target.find('?'), target.size());
    std::string raw_path = target.substr(0, question);
    auto path = percent_decode(raw_path, false);
    auto query = parse_query(question == target.size() ? std::string_view()
                                                       : std::string_view(target).substr(question + 1));
    if (!path || !query || !raw_path.starts_with('/')) {
      this->count("", 400);
      keep_alive = co_await send(connection,
                                 Response::problem(400, "bad request", "the request's target cannot be read"),
                                 false, keep_alive);
      continue;
    }
    request.path = std::move(*path);
    request.query = std::move(*query);
    keep_alive = co_await answer(connection, std::move(request), std::move(raw_path), keep_alive);
  }
}

bool Server::Implementation::host_allowed(const Request& request) const {
  if (!loopback_) return true;
  const std::string host = host_without_port(request.header("host"));
  if (is_loopback_name(host)) return true;
  return std::find(options_.allowed_hosts.begin(), options_.allowed_hosts.end(), host) !=
         options_.allowed_hosts.end();
}

// Answers one request; false when the connection is to be closed (always after an event stream).
asio::awaitable<bool> Server::Implementation::answer(ConnectionPointer connection, Request request,
                                                     std::string raw_path, bool keep_alive) {
  const bool head_only = request.method == "HEAD";
  if (!host_allowed(request)) {
    count("", 421);
    co_return co_await send(
        connection,
        Response::problem(421, "misdirected request",
                          "this server answers on loopback only, under the names localhost and 127.0.0.1",
                          "open it under one of those names"),
        head_only, false);
  }
  Router::Match match = router.match(request.method, raw_path);
  if (match.route == nullptr) {
    Response response;
    if (match.allowed_methods.empty()) {
      response = Response::problem(404, "not found", "there is nothing at " + request.path);
    } else {
      std::string allow = "OPTIONS";
      for (const auto& method : match.allowed_methods) {
        allow += ", " + method;
        if (method == "GET") allow += ", HEAD";
      }
      if (request.method == "OPTIONS")
        response.status = 204;
      else
        response =
            Response::problem(405, "method not allowed",
                              fmt::format("{} answers {}, not {}", request.path, allow, request.method));
      response.headers.emplace_back("Allow", allow);
    }
    count("", response.status);
    co_return co_await send(connection, response, head_only, keep_alive);
  }
  const Route& route = *match.route;
  request.path_parameters = std::move(match.parameters);
  if (guard)
    if (auto refused = guard(request, route.pattern)) {
      count(route.pattern, refused->status);
      co_return co_await send(connection, *refused, head_only, keep_alive);
    }

  if (route.deferred) {
    Response response = co_await run_deferred(route.deferred, std::move(request));
    count(route.pattern, response.status);
    co_return co_await send(connection, response, head_only, keep_alive && !stopping_);
  }
  if (!route.stream) {
    auto gone = std::make_shared<std::atomic<bool>>(false);
    request.gone = gone;
    asio::co_spawn(io_, watch_for_hanging_up(connection, gone), asio::detached);
    Response response = co_await run_handler([&] { return route.handler(request); });
    error_code ignored;
    connection->stream.socket().cancel(ignored);
    count(route.pattern, response.status);
    add(response.headers, request.answer_headers);
    co_return co_await send(connection, response, head_only, keep_alive && !stopping_);
  }

  auto queue = std::make_shared<StreamQueue>([this, weak = std::weak_ptr(connection)] {
    asio::post(io_, [weak] {
      if (const auto alive = weak.lock()) alive->wake.cancel();
    });
  });
  std::optional<Response> refusal;
  co_await run_handler([&] {
    refusal = route.stream(request, queue);
    return Response{};
  });
  if (!refusal && head_only) {
    queue->close();
    refusal = Response{};
    refusal->headers.emplace_back("Content-Type", "text/event-stream");
  }
  count(route.pattern, refusal ? refusal->status : 200);
  if (refusal) {
    queue->close();
    add(refusal->headers, request.answer_headers);
    co_return co_await send(connection, *refusal, head_only, keep_alive);
  }
  co_await run_stream(connection, queue, request);
  co_return false;
}

// Shared by the connection's coroutine and whoever answers.
struct Server::Implementation::Deferred {
  explicit Deferred(asio::io_context& io) : ready(io) {}
  std::atomic<bool> answered{false};
  // Socket thread only.
  std::optional<Response> response;
  asio::steady_timer ready;
};

asio::awaitable<Response> Server::Implementation::run_deferred(const DeferredHandler& handler,
                                                               Request request) {
  const size_t bytes = request.body.size();
  if (deferred_bytes_ + bytes > limits::http_deferred_bytes_max) {
    Response busy = Response::problem(429, "busy", "too much is being taken at once", "send it again later");
    busy.headers.emplace_back("Retry-After", "1");
    co_return busy;
  }
  deferred_bytes_ += bytes;
  auto deferred = std::make_shared<Deferred>(io_);
  deferred->ready.expires_after(seconds(limits::http_deferred_seconds_max));
  Responder respond = [this, deferred](Response response) {
    if (deferred->answered.exchange(true)) return;
    asio::post(io_, [deferred, response = std::move(response)]() mutable {
      deferred->response = std::move(response);
      deferred->ready.cancel();
    });
  };
  asio::post(*workers_, [&handler, respond, shared = std::make_shared<const Request>(std::move(request))] {
    try {
      handler(shared, respond);
    } catch (const std::exception& exception) {
      log::error("http: a handler failed: {}", exception.what());
      respond(
          Response::problem(500, "internal error", "the request could not be answered", "the log says why"));
    }
  });
  co_await deferred->ready.async_wait(use_result);
  if (!deferred->response && !deferred->answered.exchange(true))
    deferred->response = Response::problem(503, "no answer", "the request was not answered in time");
  // Answered at the last moment: it is on its way to this thread.
  while (!deferred->response) {
    deferred->ready.expires_after(std::chrono::milliseconds(1));
    co_await deferred->ready.async_wait(use_result);
  }
  deferred_bytes_ -= bytes;
  co_return std::move(*deferred->response);
}

asio::awaitable<Response> Server::Implementation::run_handler(std::function<Response()> handler) {
  if (requests_running_ >= limits::http_worker_threads + limits::http_waiting_requests_max) {
    Response busy = Response::problem(503, "busy", "too many requests are waiting", "try again in a moment");
    busy.headers.emplace_back("Retry-After", "1");
    co_return busy;
  }
  ++requests_running_;
  Response response;
  try {
    response = co_await asio::co_spawn(
        *workers_, [&handler]() -> asio::awaitable<Response> { co_return handler(); }, asio::use_awaitable);
  } catch (const std::exception& exception) {
    log::error("http: a handler failed: {}", exception.what());
    response =
        Response::problem(500, "internal error", "the request could not be answered", "the log says why");
  }
  --requests_running_;
  co_return response;
}

asio::awaitable<bool> Server::Implementation::send(ConnectionPointer connection, const Response& response,
                                                   bool head_only, bool keep_alive) {
  const std::string_view body = response.built_in ? *response.built_in : std::string_view(response.body);
  const std::string head = head_of(response, body.size(), keep_alive);
  const bool with_body = !head_only && response.status != 204 && response.status != 304;
  const std::array<asio::const_buffer, 2> buffers = {
      asio::buffer(head), asio::buffer(with_body ? body.data() : nullptr, with_body ? body.size() : 0)};
  connection->stream.expires_after(seconds(limits::http_write_seconds_max));
  auto [error, count] = co_await asio::async_write(connection->stream, buffers, use_result);
  if (error) co_return false;
  if (!keep_alive) {
    error_code ignored;
    connection->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }
  co_return keep_alive;
}

asio::awaitable<void> Server::Implementation::run_stream(ConnectionPointer connection,
                                                         std::shared_ptr<StreamQueue> queue,
                                                         const Request& request) {
  connection->events = queue;
  if (stopping_) queue->close();
  {
    std::lock_guard lock(counters_mutex_);
    ++counters_.event_streams_open;
  }
  connection->stream.expires_never();
  asio::co_spawn(io_, watch_for_end(connection, queue), asio::detached);

  Response response;
  response.headers = {{"Content-Type", "text/event-stream"},
                      {"Cache-Control", "no-store"},
                      {"X-Accel-Buffering", "no"}};  // nginx: do not hold events back
  add(response.headers, request.answer_headers);
  std::string head = head_of(response, 0, false);
  // The length is not known: the body ends with the connection.
  const std::string length = "Content-Length: 0\r\n";
  head.erase(head.find(length), length.size());
  head += "retry: 1000\n\n";  // how long EventSource waits before it connects again
  auto comment = std::make_shared<const std::string>(":\n\n");

  std::vector<StreamQueue::Bytes> batch = {std::make_shared<const std::string>(std::move(head))};
  while (true) {
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(batch.size());
    for (const auto& bytes : batch) buffers.push_back(asio::buffer(*bytes));
    connection->stream.expires_after(seconds(limits::http_write_seconds_max));
    auto [error, written] = co_await asio::async_write(connection->stream, buffers, use_result);
    if (error) break;
    batch = queue->take();
    if (!batch.empty()) continue;
    if (queue->closed()) break;
    connection->wake.expires_after(seconds(limits::event_stream_heartbeat_seconds));
    auto [woken] = co_await connection->wake.async_wait(use_result);
    batch = queue->take();
    if (batch.empty() && queue->closed()) break;
    if (batch.empty() && !woken) batch = {comment};
  }
  queue->close();
  connection->stream.close();
  std::lock_guard lock(counters_mutex_);
  --counters_.event_streams_open;
  if (queue->overflowed()) ++counters_.event_streams_dropped;
}

// A client sends nothing after its request; what ends this read is the client going away.
asio::awaitable<void> Server::Implementation::watch_for_end(ConnectionPointer connection,
                                                            std::shared_ptr<StreamQueue> queue) {
  std::array<char, 512> ignored;
  while (true) {
    auto [error, count] = co_await connection->stream.async_read_some(asio::buffer(ignored), use_result);
    if (error) break;
  }
  queue->close();
}

// Until the handler is done, which cancels the wait. What else may be read then is the next request: it
// stays.
asio::awaitable<void> Server::Implementation::watch_for_hanging_up(ConnectionPointer connection,
                                                                   std::shared_ptr<std::atomic<bool>> gone) {
  auto [error] = co_await connection->stream.socket().async_wait(tcp::socket::wait_read, use_result);
  if (error) co_return;
  char byte = 0;
  const ssize_t there =
      ::recv(connection->stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (there == 0 || (there < 0 && errno != EAGAIN && errno != EINTR)) *gone = true;
}

void Server::Implementation::count(const std::string& pattern, int status) {
  std::lock_guard lock(counters_mutex_);
  ++counters_.requests[{pattern, status}];
}

ServerCounters Server::Implementation::counters() const {
  std::lock_guard lock(counters_mutex_);
  ServerCounters counters = counters_;
  counters.connections_open = connections_open_;
  return counters;
}

Server::Server(ServerOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(options))) {}
Server::~Server() = default;
void Server::route(std::string method, std::string pattern, Handler handler) {
  implementation_->router.add({std::move(method), std::move(pattern), std::move(handler), nullptr});
}
void Server::route_deferred(std::string method, std::string pattern, DeferredHandler handler) {
  implementation_->router.add({std::move(method), std::move(pattern), nullptr, nullptr, std::move(handler)});
}
void Server::stream(std::string pattern, StreamHandler handler) {
  implementation_->router.add({"GET", std::move(pattern), nullptr, std::move(handler)});
}
void Server::guard(Guard guard) {
  implementation_->guard = std::move(guard);
}
Status Server::start() {
  return implementation_->start();
}
void Server::stop() {
  implementation_->stop();
}
uint16_t Server::port() const {
  return implementation_->port();
}
ServerCounters Server::counters() const {
  return implementation_->counters();
}

}  // namespace tidemark::http
