// For tests: a receiver of HTTP requests in this process that does what its script says: answers with any
// status, never answers, or cuts the connection. Keeps what it was sent.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tidemark::notify {

struct ReceivedRequest {
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct ScriptedAnswer {
  int status = 200;
  std::string headers;  // "Retry-After: 3\r\n"
  std::string body;
  bool hang = false;   // no answer while the receiver lives
  bool reset = false;  // the connection is cut instead
};

class TestReceiver {
 public:
  using Script = std::function<ScriptedAnswer(const ReceivedRequest&)>;

  explicit TestReceiver(
      Script script = [](const ReceivedRequest&) { return ScriptedAnswer{}; }, uint16_t port = 0)
      : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("a receiver cannot listen");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestReceiver() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (int connection : connections_) shutdown(connection, SHUT_RDWR);
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  TestReceiver(const TestReceiver&) = delete;

  uint16_t port() const { return port_; }
  std::string url(const std::string& host = "127.0.0.1") const {
    return fmt::format("http://{}:{}/hook", host, port_);
  }
  std::vector<ReceivedRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  // Waits until there are so many, or the deadline passes.
  bool wait_for(size_t count, std::chrono::seconds deadline = std::chrono::seconds(30)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, deadline, [&] { return requests_.size() >= count; });
  }

 private:
  void accept_all() {
    while (!stopping_) {
      int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      std::lock_guard lock(mutex_);
      connections_.push_back(connection);
      threads_.emplace_back([this, connection] {
        serve(connection);
        std::lock_guard guard(mutex_);
        connections_.remove(connection);
        ::close(connection);
      });
    }
  }

  void serve(int connection) {
    std::string buffer;
    ReceivedRequest request;
    while (read_request(connection, buffer, request)) {
      ScriptedAnswer answer = script_(request);
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      changed_.notify_all();
      if (answer.hang) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_.load(); });
        return;
      }
      if (answer.reset) {
        linger hard{1, 0};
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        return;
      }
      std::string text = fmt::format("HTTP/1.1 {} Status\r\n{}Content-Length: {}\r\n\r\n{}", answer.status,
                                     answer.headers, answer.body.size(), answer.body);
      if (::send(connection, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  static bool fill(int connection, std::string& buffer) {
    char piece[16384];
    ssize_t count = ::recv(connection, piece, sizeof piece, 0);
    if (count <= 0) return false;
    buffer.append(piece, static_cast<size_t>(count));
    return true;
  }

  static bool read_request(int connection, std::string& buffer, ReceivedRequest& request) {
    size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
      if (!fill(connection, buffer)) return false;
    request = {};
    std::string head = buffer.substr(0, end + 2);
    size_t line_end = head.find("\r\n");
    std::string first = head.substr(0, line_end);
    size_t space = first.find(' ');
    request.path = first.substr(space + 1, first.rfind(' ') - space - 1);
    for (size_t at = line_end + 2; at < head.size(); at = head.find("\r\n", at) + 2) {
      std::string line = head.substr(at, head.find("\r\n", at) - at);
      size_t colon = line.find(':');
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      size_t value = line.find_first_not_of(' ', colon + 1);
      request.headers[name] = value == std::string::npos ? "" : line.substr(value);
    }
    size_t length = std::stoul(request.headers["content-length"]);
    while (buffer.size() < end + 4 + length)
      if (!fill(connection, buffer)) return false;
    request.body = buffer.substr(end + 4, length);
    buffer.erase(0, end + 4 + length);
    return true;
  }

  Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ReceivedRequest> requests_;
  std::list<int> connections_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace tidemark::notify
