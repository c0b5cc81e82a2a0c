#include "serve/fixed_parameters.h"

#include <gtest/gtest.h>

namespace tidemark::serve {
namespace {

class FixedParametersTest : public testing::Test {
 protected:
  FixedParametersTest() {
    config::EndpointParameter campaign{.name = "campaign", .type = "UInt32"};
    config::EndpointParameter day{.name = "day", .type = "Date"};
    endpoints_ = {{.name = "narrow", .parameters = {campaign, day}}, {.name = "wide", .parameters = {day}}};
    config::Tile named{.title = "Named", .query = "SELECT 1"};
    named.parameters = {{"campaign", "Array(UInt32)"}};
    config::Tile other{.title = "Other", .query = "SELECT 2"};
    config::DashboardFilter filter{.name = "campaign", .type = "UInt32"};
    dashboards_ = {{.name = "narrow", .filters = {filter}, .tiles = {named}},
                   {.name = "wide", .filters = {filter}, .tiles = {named, other}},
                   {.name = "plain", .tiles = {other}}};
  }
  // The status; 0 when it may go on.
  int ask(const std::string& pattern, const std::string& name, const std::string& method = "GET") {
    request_.method = method;
    request_.path_parameters = {{"name", name}};
    auto refused = narrow(request_, pattern, fixed_, endpoints_, dashboards_);
    return refused ? refused->status : 0;
  }
  config::FixedParameters fixed_{{"campaign", {"7"}}};
  std::vector<config::EndpointFile> endpoints_;
  std::vector<config::Dashboard> dashboards_;
  http::Request request_;
};

TEST_F(FixedParametersTest, WhatTakesThemIsAskedWithThem) {
  for (const char* pattern :
       {"/api/endpoints/{name}", "/api/dashboards/{name}/live", "/api/dashboards/{name}/tiles/{tile}"}) {
    request_.query = {{"day", "2026-11-01"}};
    EXPECT_EQ(ask(pattern, "narrow"), 0) << pattern;
    EXPECT_EQ(request_.query_value("campaign"), "7") << pattern;
    EXPECT_EQ(request_.query.size(), 2);
    EXPECT_EQ(ask(pattern, "narrow"), 403) << "named in the request: " << pattern;
    request_.query.clear();
    EXPECT_EQ(ask(pattern, "wide"), 403) << pattern;
    EXPECT_TRUE(request_.query.empty());
  }
  EXPECT_EQ(ask("/api/dashboards/{name}/live", "plain"), 403);
  EXPECT_EQ(ask("/api/endpoints/{name}", "none"), 0) << "which is 404";
}

TEST_F(FixedParametersTest, NothingElseIsSeen) {
  EXPECT_EQ(ask("/openapi.json", ""), 0);
  for (const char* pattern : {"/api/status", "/api/dashboards", "/api/dashboards/{name}",
                              "/api/dashboards/{name}/filters", "/api/dashboards/{name}/tiles/{tile}/rows",
                              "/api/events", "/metrics", "/api/people/{name}", "/api/new"})
    EXPECT_EQ(ask(pattern, "narrow"), 403) << pattern;
  for (const char* pattern : {"/api/sql", "/api/endpoints/{name}", "/openapi.json"})
    EXPECT_EQ(ask(pattern, "narrow", "POST"), 403) << pattern;
}

TEST_F(FixedParametersTest, AnEndpointTakesOneValueATileSeveral) {
  fixed_["campaign"] = {"7", "8"};
  EXPECT_EQ(ask("/api/endpoints/{name}", "narrow"), 403);
  EXPECT_EQ(ask("/api/dashboards/{name}/live", "narrow"), 0);
  EXPECT_EQ(request_.query.size(), 2);
}

}  // namespace
}  // namespace tidemark::serve
