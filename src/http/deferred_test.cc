// Requests that are answered later, and bodies that are compressed.
#include "http/gzip.h"
#include "http/http_limits.h"
#include "http/server.h"
#include "http/test_connection.h"

#include <atomic>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <zlib.h>

namespace tidemark::http {
namespace {

class DeferredTest : public testing::Test {
 protected:
  DeferredTest()
      : server_([] {
          ServerOptions options;
          options.port = 0;
          return options;
        }()) {
    server_.route_deferred("POST", "/later",
                           [this](std::shared_ptr<const Request> request, Responder respond) {
                             std::lock_guard lock(mutex_);
                             waiting_.emplace_back(std::move(request), std::move(respond));
                           });
    server_.route_deferred("POST", "/twice",
                           [](const std::shared_ptr<const Request>&, const Responder& respond) {
                             respond(Response::text("first"));
                             respond(Response::text("second"));
                           });
    server_.route_deferred("POST", "/throws", [](const std::shared_ptr<const Request>&, const Responder&) {
      throw std::runtime_error("secret cause");
    });
  }
  void SetUp() override {
    const Status started = server_.start();
    ASSERT_TRUE(started) << started.error().describe();
  }
  static std::string request(const std::string& path, const std::string& body) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", path,
                       body.size(), body);
  }
  // Waits until so many wait for their answer.
  size_t waiting(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      {
        std::lock_guard lock(mutex_);
        if (waiting_.size() >= count) return waiting_.size();
      }
      std::this_thread::yield();
    }
    return 0;
  }

  std::mutex mutex_;
  std::vector<std::pair<std::shared_ptr<const Request>, Responder>> waiting_;
  Server server_;
};

TEST_F(DeferredTest, ManyWaitWithoutAThreadEachAndGetTheirOwnAnswer) {
  constexpr size_t count = 200;
  std::vector<std::unique_ptr<TestConnection>> connections;
  for (size_t index = 0; index < count; ++index) {
    connections.push_back(std::make_unique<TestConnection>(server_.port()));
    connections.back()->send(request("/later", fmt::format("body {}", index)));
  }
  ASSERT_EQ(waiting(count), count);
  for (auto& [asked, respond] : waiting_) respond(Response::text("answer to " + asked->body));
  for (size_t index = 0; index < count; ++index)
    EXPECT_TRUE(connections[index]->response().ends_with(fmt::format("answer to body {}", index)));
}

TEST_F(DeferredTest, OneAnswerARequest) {
  TestConnection connection(server_.port());
  connection.send(request("/twice", "") + request("/twice", "") + request("/throws", ""));
  EXPECT_TRUE(connection.response().ends_with("first"));
  EXPECT_TRUE(connection.response().ends_with("first"));
  std::string failed = connection.response();
  EXPECT_TRUE(failed.starts_with("HTTP/1.1 500 ")) << failed;
  EXPECT_EQ(failed.find("secret cause"), std::string::npos);
}

TEST_F(DeferredTest, WaitingBodiesAreBounded) {
  const std::string body(1'000'000, 'x');
  const size_t fit = limits::http_deferred_bytes_max / body.size();
  std::vector<std::unique_ptr<TestConnection>> connections;
  for (size_t index = 0; index < fit; ++index) {
    connections.push_back(std::make_unique<TestConnection>(server_.port()));
    connections.back()->send(request("/later", body));
  }
  ASSERT_EQ(waiting(fit), fit);
  TestConnection more(server_.port());
  more.send(request("/later", body));
  std::string refused = more.response();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 429 ")) << refused;
  EXPECT_NE(refused.find("Retry-After: "), std::string::npos);
  for (auto& [asked, respond] : waiting_) respond(Response::text("done"));
  for (auto& connection : connections) EXPECT_TRUE(connection->response().ends_with("done"));
}

std::string zipped(const std::string& text) {
  z_stream stream{};
  constexpr int gzip_format = 16;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + gzip_format, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(Gzip, WholeBodiesOnlyAndNoneThatGrowPastTheBound) {
  std::string text;
  for (int number = 0; number < 20'000; ++number) text += std::to_string(number * 7919);
  const std::string packed = zipped(text);
  EXPECT_TRUE(is_gzip(packed));
  EXPECT_EQ(gunzip(packed, text.size()).value(), text);
  EXPECT_EQ(gunzip(packed + packed, 2 * text.size()).value(), text + text);
  EXPECT_EQ(gunzip(zipped(""), 0).value(), "");
  EXPECT_EQ(gunzip(packed, text.size() - 1).error().kind, ErrorKind::limit);
  EXPECT_EQ(gunzip(zipped(std::string(50'000'000, 'x')), 1'000'000).error().kind, ErrorKind::limit);
  for (size_t length : {size_t{0}, size_t{1}, size_t{9}, packed.size() / 2, packed.size() - 1})
    EXPECT_EQ(gunzip(packed.substr(0, length), text.size()).error().kind, ErrorKind::corrupt) << length;
  std::string damaged = packed;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  EXPECT_EQ(gunzip(damaged, 2 * text.size()).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace tidemark::http
