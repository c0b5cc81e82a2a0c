#include "http/server.h"

#include "base/limits.h"
#include "http/router.h"
#include "http/stream_queue.h"
#include "http/test_connection.h"
#include "http/url.h"

#include <condition_variable>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

namespace tidemark::http {
namespace {

ServerOptions any_port() {
  ServerOptions options;
  options.port = 0;
  return options;
}

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.route("GET", "/hello/{name}", [](const Request& request) {
      return Response::text("hello " + request.path_parameters.at("name") + " " +
                            request.query_value("q").value_or("-"));
    });
    server_.route("POST", "/echo", [](const Request& request) { return Response::text(request.body); });
    server_.route("GET", "/throws",
                  [](const Request&) -> Response { throw std::runtime_error("secret cause"); });
    server_.route("GET", "/bytes", [](const Request&) {
      static const std::string bytes(100'000, 'x');
      Response response = Response::text("");
      response.built_in = bytes;
      return response;
    });
    server_.stream("/events", [this](const Request& request, std::shared_ptr<EventStream> stream) {
      if (request.query_value("refuse")) return std::optional(Response::problem(404, "not found", "no such"));
      std::lock_guard lock(mutex_);
      stream_ = std::move(stream);
      changed_.notify_all();
      return std::optional<Response>();
    });
    const Status started = server_.start();
    ASSERT_TRUE(started) << started.error().describe();
  }
  std::shared_ptr<EventStream> stream() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(5), [&] { return stream_ != nullptr; });
    return stream_;
  }

  Server server_{any_port()};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<EventStream> stream_;
};

TEST_F(ServerTest, AnswersWithPathAndQueryDecoded) {
  const std::string answer = get(server_.port(), "/hello/a%20b%2Fc?q=1%2B1+2");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello a b/c 1+1 2")) << answer;
  EXPECT_NE(answer.find("Content-Security-Policy: "), std::string::npos);
  EXPECT_NE(answer.find("X-Content-Type-Options: nosniff"), std::string::npos);
}

TEST_F(ServerTest, KeepsTheConnectionAndTakesPipelinedRequests) {
  TestConnection connection(server_.port());
  const std::string request = "GET /hello/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
  connection.send(request + request);
  EXPECT_TRUE(connection.response().ends_with("hello x -"));
  EXPECT_TRUE(connection.response().ends_with("hello x -"));
  connection.send(request);
  EXPECT_TRUE(connection.response().ends_with("hello x -"));
}

TEST_F(ServerTest, HeadHasTheHeadersAndNoBody) {
  TestConnection connection(server_.port());
  connection.send("HEAD /bytes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string& answer = connection.until_closed();
  EXPECT_NE(answer.find("Content-Length: 100000\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  EXPECT_EQ(get(server_.port(), "/bytes").size() - answer.size(), 100'000);
}

TEST_F(ServerTest, UnknownPathsAndMethodsAreProblems) {
  const std::string missing = get(server_.port(), "/nothing");
  EXPECT_TRUE(missing.starts_with("HTTP/1.1 404 ")) << missing;
  EXPECT_NE(missing.find("application/problem+json"), std::string::npos);
  TestConnection connection(server_.port());
  connection.send("DELETE /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string refused = connection.response();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 405 ")) << refused;
  EXPECT_NE(refused.find("Allow: OPTIONS, POST\r\n"), std::string::npos);
  connection.send("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(connection.response().starts_with("HTTP/1.1 204 "));
}

TEST_F(ServerTest, AForeignHostNameIsRefusedOnLoopback) {
  EXPECT_TRUE(get(server_.port(), "/hello/x", "evil.example:80").starts_with("HTTP/1.1 421 "));
  EXPECT_TRUE(get(server_.port(), "/hello/x", "127.0.0.1.evil.example").starts_with("HTTP/1.1 421 "));
  EXPECT_TRUE(get(server_.port(), "/hello/x", "127.0.0.1:9").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(get(server_.port(), "/hello/x", "[::1]:9").starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, BoundsOfHeaderAndBody) {
  const std::string large_header(limits::http_header_bytes_max, 'h');
  EXPECT_TRUE(get(server_.port(), "/hello/" + large_header).starts_with("HTTP/1.1 431 "));
  TestConnection connection(server_.port());
  connection.send(fmt::format("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                              limits::http_body_bytes_max + 1));
  EXPECT_TRUE(connection.until_closed().starts_with("HTTP/1.1 413 "));
  TestConnection fitting(server_.port());
  const std::string body(limits::http_body_bytes_max, 'b');
  fitting.send(
      fmt::format("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.size()));
  fitting.send(body);
  EXPECT_TRUE(fitting.response().ends_with("\r\n\r\n" + body));
}

TEST_F(ServerTest, BytesThatAreNoRequest) {
  TestConnection connection(server_.port());
  connection.send("\x16\x03\x01 this is TLS\r\n\r\n");
  EXPECT_TRUE(connection.until_closed().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(get(server_.port(), "/hello/%zz").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(get(server_.port(), "/hello/x?a=%0").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(get(server_.port(), "/hello/%00").starts_with("HTTP/1.1 400 "));
}

TEST_F(ServerTest, AThrowingHandlerIs500AndSaysNothingOfTheInside) {
  const std::string answer = get(server_.port(), "/throws");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_EQ(answer.find("secret cause"), std::string::npos);
}

TEST_F(ServerTest, StreamsEventsAndNoticesWhenTheClientGoes) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  {
    TestConnection connection(server_.port());
    connection.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto stream = this->stream();
    ASSERT_NE(stream, nullptr);
    stream->on_close([&] {
      std::lock_guard lock(mutex);
      ended = true;
      changed.notify_all();
    });
    EXPECT_TRUE(stream->send(Event("tile", "7", "one\ntwo")));
    const std::string& seen = connection.until("data: two\n\n");
    EXPECT_NE(seen.find("Content-Type: text/event-stream\r\n"), std::string::npos);
    EXPECT_EQ(seen.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(seen.ends_with("event: tile\nid: 7\ndata: one\ndata: two\n\n")) << seen;
  }
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(5), [&] { return ended; }));
  EXPECT_FALSE(stream()->send(Event("tile", "8", "x")));
}

TEST_F(ServerTest, AStreamCanBeRefused) {
  EXPECT_TRUE(get(server_.port(), "/events?refuse=1").starts_with("HTTP/1.1 404 "));
}

TEST_F(ServerTest, StopEndsStreamsAndIdleConnections) {
  TestConnection idle(server_.port());
  idle.send("GET /hello/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  idle.response();
  TestConnection streaming(server_.port());
  streaming.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_NE(stream(), nullptr);
  stream()->send(Event("last", "", "words"));
  server_.stop();
  EXPECT_TRUE(streaming.until_closed().ends_with("data: words\n\n"));
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_FALSE(TestConnection(server_.port()).connected());
}

TEST_F(ServerTest, ATakenPortIsAConflictThatNamesPortAndSetting) {
  ServerOptions options;
  options.port = server_.port();
  Server second(options);
  const Status started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::conflict);
  EXPECT_NE(started.error().message.find(std::to_string(options.port)), std::string::npos);
  EXPECT_NE(started.error().remedy.find("http.listen"), std::string::npos);
}

TEST_F(ServerTest, ASlowClientSkipsStatesAndIsDroppedOnlyWhenKeysDoNotHelp) {
  TestConnection slow(server_.port());
  slow.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto stream = this->stream();
  const std::string large(256 << 10, 'l');
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream->send(Event("state", "", large), "state"));
  bool alive = true;
  for (int i = 0; i < 1000 && alive; ++i) alive = stream->send(Event("log", "", large));
  EXPECT_FALSE(alive);
  EXPECT_TRUE(stream->closed());
}

TEST(StreamQueueTest, WhatIsSentTogetherIsReadTogether) {
  StreamQueue queue([] {});
  const auto send = [&](const std::string& round) {
    queue.send_together({{Event("tile", "", round), "tile"}, {Event("refresh", "", round), "refresh"}});
  };
  // While one sends rounds, what is taken is whole rounds: never a refresh without the tile it speaks of.
  std::thread sender([&] {
    for (int round = 1; round <= 2'000; ++round) send(std::to_string(round));
  });
  std::string tile, last;
  int mixed = 0, rounds = 0;
  while (last != "2000") {
    for (const auto& bytes : queue.take()) {
      const std::string data = bytes->substr(bytes->find("data: ") + 6);
      const std::string value = data.substr(0, data.find('\n'));
      if (bytes->starts_with("event: tile")) {
        tile = value;
      } else {
        if (tile != value) ++mixed;
        last = value;
        ++rounds;
      }
    }
  }
  sender.join();
  EXPECT_EQ(mixed, 0) << "of " << rounds;
}

TEST(StreamQueueTest, TheLatestOfAKeyWinsAndMovesToTheEnd) {
  StreamQueue queue([] {});
  queue.send(Event("", "", "a1"), "a");
  queue.send(Event("", "", "b1"), "b");
  queue.send(Event("", "", "a2"), "a");
  std::string all;
  for (const auto& bytes : queue.take()) all += *bytes;
  EXPECT_EQ(all, "data: b1\n\ndata: a2\n\n");
}

TEST(RouterTest, LiteralsWinOverNames) {
  Router router;
  for (const char* pattern : {"/a/{x}", "/a/b", "/{rest...}", "/a/{x}/c"})
    router.add({"GET", pattern, nullptr, nullptr});
  EXPECT_EQ(router.match("GET", "/a/b").route->pattern, "/a/b");
  EXPECT_EQ(router.match("GET", "/a/z").route->pattern, "/a/{x}");
  EXPECT_EQ(router.match("GET", "/a/z/c").parameters.at("x"), "z");
  EXPECT_EQ(router.match("GET", "/q/r%2Fs/t").parameters.at("rest"), "q/r/s/t");
  EXPECT_EQ(router.match("POST", "/a/b").route, nullptr);
  EXPECT_EQ(router.match("HEAD", "/a/b").route->pattern, "/a/b");
}

}  // namespace
}  // namespace tidemark::http
