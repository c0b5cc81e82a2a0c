// For tests: a client that shows every byte, and nothing else.
#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace tidemark::http {

// A client that shows every byte: the tests are about the wire.
class TestConnection {
 public:
  explicit TestConnection(uint16_t port) {
    descriptor_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval deadline{5, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    connected_ = connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestConnection() { close(descriptor_); }
  bool connected() const { return connected_; }
  void send(std::string_view text) const { ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Reads until `text` has been seen, the other side closes, or nothing came for 5 s, or 10 s have passed;
  // everything read so far.
  const std::string& until(std::string_view text) {
    // An overall deadline: a stream that goes on with other things must not keep the test for ever.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (seen_.find(text) == std::string::npos && std::chrono::steady_clock::now() < deadline && more()) {
    }
    return seen_;
  }
  const std::string& until_closed() {
    while (more()) {
    }
    return seen_;
  }
  // One response with a Content-Length.
  std::string response() {
    until("\r\n\r\n");
    const size_t head = seen_.find("\r\n\r\n") + 4;
    const size_t at = seen_.find("Content-Length: ");
    const size_t length = at == std::string::npos || at > head ? 0 : std::stoul(seen_.substr(at + 16));
    while (seen_.size() < head + length && more()) {
    }
    std::string result = seen_.substr(0, head + length);
    seen_.erase(0, head + length);
    return result;
  }
  bool closed_by_peer() {
    char byte = 0;
    return recv(descriptor_, &byte, 1, 0) == 0;
  }

 private:
  bool more() {
    char buffer[4096];
    const ssize_t count = recv(descriptor_, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    seen_.append(buffer, static_cast<size_t>(count));
    return true;
  }
  int descriptor_;
  bool connected_ = false;
  std::string seen_;
};

inline std::string get(uint16_t port, const std::string& target, const std::string& host = "localhost") {
  TestConnection connection(port);
  connection.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  return connection.until_closed();
}

}  // namespace tidemark::http
