// Who may read, where reading needs a token: everything but the page's own files and what a load balancer
// asks for.
#include "serve/access.h"

#include "http/test_connection.h"
#include "serve/live_server.h"

#include <gtest/gtest.h>

namespace tidemark::serve {
namespace {

constexpr const char* reader = "a-token-that-reads";
constexpr const char* writer = "a-token-that-writes";

class AccessTest : public testing::Test {
 protected:
  std::unique_ptr<LiveServer> serve(bool reading_needs_token) {
    ServeOptions options;
    options.project = "shop";
    options.http.port = 0;
    options.http.reading_needs_token = reading_needs_token;
    options.control_token = "the-project's-own";
    options.tokens = {{.name = "r", .value = Secret(reader), .scopes = {"read"}},
                      {.name = "w", .value = Secret(writer), .scopes = {"notify:write"}}};
    options.pipeline_status = [] { return ingest::PipelineStatus(); };
    options.more_routes = [](http::Server& server) {
      server.route("GET", "/api/new", [](const http::Request&) { return http::Response::json("{}"); });
    };
    auto live = std::make_unique<LiveServer>(std::move(options));
    Status started = live->start();
    EXPECT_TRUE(started) << started.error().describe();
    return live;
  }

  // The status line's number; what else was said is in said_.
  int ask(const LiveServer& live, const std::string& path, const std::string& header = {},
          const std::string& method = "GET") {
    http::TestConnection connection(live.port());
    connection.send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}{}\r\n", method,
                                path, header.empty() ? "" : header + "\r\n",
                                method == "POST" ? "Content-Length: 0\r\n" : ""));
    said_ = path.ends_with("/events") ? connection.until("\r\n\r\n") : connection.until_closed();
    return said_.size() > 12 ? std::stoi(said_.substr(9, 3)) : 0;
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token; }

  std::string said_;
};

TEST_F(AccessTest, ReadingIsOpenUnlessTheProjectSaysOtherwise) {
  auto live = serve(false);
  for (const char* path : {"/", "/api/status", "/metrics", "/api/new", "/openapi.json"})
    EXPECT_EQ(ask(*live, path), 200) << path;
}

TEST_F(AccessTest, ReadingAsksForATokenWithItsScope) {
  auto live = serve(true);
  for (const char* path : {"/", "/healthz", "/theme.js"}) EXPECT_EQ(ask(*live, path), 200) << path;
  EXPECT_EQ(ask(*live, "/readyz"), 503) << "no warehouse, and said so";
  for (const char* path :
       {"/api/status", "/api/dashboards", "/metrics", "/api/new", "/openapi.json", "/api/events",
        "/api/endpoints/none", "/api/deadletters", "/api/feeds/none", "/api/deployment"}) {
    EXPECT_EQ(ask(*live, path), 401) << path;
    EXPECT_NE(said_.find("Authorization: Bearer"), std::string::npos) << said_;
    EXPECT_EQ(ask(*live, path, bearer("a-token-nobody-knows")), 401) << path;
    EXPECT_EQ(ask(*live, path, bearer(writer)), 403) << path;
    EXPECT_NE(said_.find("scope read"), std::string::npos) << said_;
    for (const char* token : {reader, "the-project's-own"}) {
      int status = ask(*live, path, bearer(token));
      EXPECT_TRUE(status == 200 || status == 404) << path << " " << status;
    }
  }
  EXPECT_EQ(ask(*live, "/api/destinations/crm/test", bearer(reader), "POST"), 403);
  EXPECT_EQ(ask(*live, "/api/destinations/crm/test", bearer(writer), "POST"), 404) << "there is none";
}

TEST_F(AccessTest, ABrowserBringsACookieAndOnlyReadsWithIt) {
  auto live = serve(true);
  EXPECT_EQ(ask(*live, "/enter?token=wrong"), 401);
  EXPECT_EQ(ask(*live, std::string("/enter?token=") + writer), 403);
  EXPECT_EQ(ask(*live, std::string("/enter?token=") + reader), 303);
  const std::string given =
      fmt::format("Set-Cookie: tidemark_token={}; Path=/; HttpOnly; SameSite=Strict\r\n", reader);
  EXPECT_NE(said_.find(given), std::string::npos) << said_;
  std::string cookie = fmt::format("Cookie: theme=dark; tidemark_token={}", reader);
  EXPECT_EQ(ask(*live, "/api/status", cookie), 200);
  EXPECT_EQ(ask(*live, "/api/events", cookie), 200);
  EXPECT_EQ(ask(*live, "/api/status", "Cookie: tidemark_token=x"), 401);
  EXPECT_EQ(ask(*live, "/api/destinations/crm/test", "Cookie: tidemark_token=the-project's-own", "POST"),
            401);
}

}  // namespace
}  // namespace tidemark::serve
