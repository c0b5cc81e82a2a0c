// The HTTP/1.1 server: routes, keep-alive, bounded everything, and server-sent events. The page, the API,
// health and metrics all hang on it. It knows nothing of dashboards or pipelines; serve does.
//
// Threads: one thread does all socket work and never blocks. Handlers run on a few worker threads and may
// block (they ask ClickHouse); when all workers are busy and their queue is full, a request is answered 503
// at once rather than waiting. EventStream may be used from any thread.
//
// Safety of a page on loopback: a browser can be talked into sending requests to 127.0.0.1 under a foreign
// host name (DNS rebinding), so while bound to loopback the Host header must name loopback or a configured
// host; others get 421.
//
// Failure: start() reports a taken port as ErrorKind::conflict. A handler that throws is answered 500; errors
// are problem documents (RFC 9457). stop() ends event streams, lets running requests finish for a bounded
// time, then closes.
#pragma once

#include "base/error.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::http {

struct Request {
  std::string method;
  std::string path;                                          // decoded, without the query
  std::map<std::string, std::string> path_parameters;        // "/api/dashboards/{name}" -> name, decoded
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string remote;  // address of the peer, without the port
  // True as soon as the client has hung up while a Handler works for it; null: not watched.
  std::shared_ptr<const std::atomic<bool>> gone;
  // Of the guard: what ends with the request, and headers of its answer.
  std::shared_ptr<void> held;
  std::vector<std::pair<std::string, std::string>> answer_headers;

  // The first value of that name.
  std::optional<std::string> query_value(std::string_view name) const;
  // Empty when absent; `name` in lower case.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Bytes that outlive the server (built-in assets), sent instead of `body` without a copy.
  std::optional<std::string_view> built_in;

  static Response json(std::string body, int status = 200);
  static Response text(std::string body, std::string content_type = "text/plain; charset=utf-8");
  // RFC 9457; `remedy` becomes a member of its own when not empty.
  static Response problem(int status, std::string_view title, std::string_view detail,
                          std::string_view remedy = {});
  // The problem document and status that fit an Error.
  static Response problem(const Error& error);
};

// One event as it goes over the wire, made once and shared by all streams it is sent to.
class Event {
 public:
  // `data` may have several lines. `id` may be empty. Precondition: `name` and `id` have no line breaks.
  Event(std::string_view name, std::string_view id, std::string_view data);
  // Several in one piece, for whom a queue of single ones would be too long.
  static Event joined(const std::vector<Event>& events);
  const std::shared_ptr<const std::string>& bytes() const { return bytes_; }

 private:
  Event() = default;
  std::shared_ptr<const std::string> bytes_;
};

// The sending end of one client's event stream. Each stream has a bounded queue: an event sent with a key
// replaces a waiting event of the same key (the latest wins: a slow client skips states, it never falls
// behind), and a client whose queue overflows all the same is dropped; it reconnects and gets everything
// anew.
class EventStream {
 public:
  virtual ~EventStream() = default;
  // False when the stream is closed; the event is lost then. An empty key never replaces.
  virtual bool send(const Event& event, std::string_view key = {}) = 0;
  // All of them with their keys, in this order and without anything between them: who reads meanwhile gets
  // none of them or can read them all.
  virtual bool send_together(const std::vector<std::pair<Event, std::string>>& events) = 0;
  virtual bool closed() const = 0;
  virtual void close() = 0;
  // Called once, from the socket thread, when the stream has ended however that happened (at once when it has
  // already). Must not block.
  virtual void on_close(std::function<void()> listener) = 0;
};

using Handler = std::function<Response(const Request&)>;
// Answers, once, from any thread; what comes after the first answer is passed over. Must not be called when
// the server is gone (after stop() it does nothing).
using Responder = std::function<void(Response)>;
// Runs on a worker like a Handler and may answer later, so that many requests wait for something (a disk)
// without a thread each. The request lives as long as the handler keeps it. Who has not answered in
// limits::http_deferred_seconds_max is answered 503.
using DeferredHandler = std::function<void(std::shared_ptr<const Request>, Responder)>;
// Returns a response to refuse the stream (404, 503 ...), nothing to accept it; the stream may be kept and
// used later.
using StreamHandler = std::function<std::optional<Response>(const Request&, std::shared_ptr<EventStream>)>;

struct ServerOptions {
  std::string host = "127.0.0.1";            // an address, "localhost", "0.0.0.0" or "::"
  uint16_t port = 8088;                      // 0: any free one, see Server::port()
  std::vector<std::string> allowed_hosts;    // further Host names accepted while bound to loopback
  std::string port_setting = "http.listen";  // what to name in the remedy when the port is taken
};

struct ServerCounters {
  uint64_t connections_open = 0;
  uint64_t connections_refused = 0;
  uint64_t event_streams_open = 0;
  uint64_t event_streams_dropped = 0;                        // too slow
  std::map<std::pair<std::string, int>, uint64_t> requests;  // by route pattern and status
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();  // stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Routes are added before start(). A pattern is segments, "{name}" matching one, "{name...}" at the end
  // matching the rest. HEAD is answered by the GET handler, OPTIONS and 405 by the server. Literal segments
  // win over names.
  void route(std::string method, std::string pattern, Handler handler);
  void stream(std::string pattern, StreamHandler handler);
  // Bodies that wait for their answer are bounded together; beyond that the answer is 429.
  void route_deferred(std::string method, std::string pattern, DeferredHandler handler);
  // Asked before the handler of every route, on the socket thread; a response refuses the request. `pattern`:
  // of the route. It may set `held` and `answer_headers`. Set before start().
  using Guard = std::function<std::optional<Response>(Request&, const std::string& pattern)>;
  void guard(Guard guard);

  Status start();
  void stop();
  uint16_t port() const;
  ServerCounters counters() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace tidemark::http
