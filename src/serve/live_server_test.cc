// The whole of serve against a real ClickHouse; the pipeline's side is played by the test.
#include "serve/live_server.h"

#include "base/resource.h"
#include "clickhouse/test_server.h"
#include "http/test_connection.h"
#include "serve/page.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <mutex>

namespace tidemark::serve {
namespace {

namespace json = boost::json;
using http::TestConnection;

std::string body_of(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

// The data of every event of that name in what a stream sent.
std::vector<std::string> events(const std::string& seen, const std::string& name) {
  std::vector<std::string> found;
  const std::string head = "event: " + name + "\n";
  for (size_t at = seen.find(head); at != std::string::npos; at = seen.find(head, at + 1)) {
    const size_t data = seen.find("data: ", at) + 6;
    const size_t end = seen.find("\n\n", data);
    if (end != std::string::npos) found.push_back(seen.substr(data, end - data));
  }
  return found;
}

class LiveServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto& server = clickhouse::TestServer::shared();
    client_.emplace(server.client());
    static int number = 0;
    database_ = fmt::format("serve_test_{}", ++number);
    run("CREATE DATABASE " + database_);
    run("CREATE TABLE " + database_ +
        ".orders (id UInt64, amount Decimal(38, 2)) ENGINE = MergeTree ORDER BY id");
    run("INSERT INTO " + database_ + ".orders VALUES (9007199254740993, 12345678901234567890.12)");

    ServeOptions options;
    options.project = "shop";
    options.http.port = 0;
    options.reader = server.endpoint(clickhouse::Account::reader);
    options.warehouse_mode = "embedded";
    options.pipeline_status = [this] {
      std::lock_guard lock(mutex_);
      return status_;
    };
    options.lineage = [this](const std::string& sql) -> std::vector<std::string> {
      ++lineage_asked_;
      if (sql.find("orders") != std::string::npos) return {"bronze.orders"};
      return {"bronze.other"};
    };
    options.moves_with_cuts = [this](const std::string& sql) {
      return known_to_move_ && sql.find("generateUUID") == std::string::npos;
    };
    config::Dashboard dashboard;
    dashboard.name = "overview";
    dashboard.title = "Overview";
    add_tile(dashboard, "SELECT count() AS orders FROM " + database_ + ".orders -- a comment at the end");
    add_tile(dashboard, "SELECT max(id) AS id, max(amount) AS amount FROM " + database_ + ".orders");
    add_tile(dashboard, "SELECT nothing FROM " + database_ + ".missing");
    add_tile(dashboard, "SELECT generateUUIDv4() AS other");  // differs whenever it is run
    config::Dashboard sales;
    sales.name = "sales";
    sales.time.range = *config::parse_time_range("2026-11-01..2026-11-07");
    sales.filters = {{"country", "Country", "String", "country", "SELECT 'DE' UNION ALL SELECT 'AT'", {}},
                     {"number", "Number", "UInt32", "number", "", {}}};
    add_tile(sales,
             "SELECT {from:Date} AS f, {to:Date} AS t, {step:UInt32} AS s, generateUUIDv4() AS u FROM " +
                 database_ + ".orders");
    sales.tiles[0].parameters = {{"from", "Date"}, {"to", "Date"}, {"step", "UInt32"}};
    add_tile(sales,
             "SELECT {country:Array(String)} AS c, {number:Array(UInt32)} AS n, generateUUIDv4() AS u FROM " +
                 database_ + ".orders");
    sales.tiles[1].parameters = {{"country", "Array(String)"}, {"number", "Array(UInt32)"}};
    add_tile(sales, "SELECT {from:DateTime} AS f, {to:DateTime64(3, 'UTC')} AS t, {zone:String} AS z");
    sales.tiles[2].parameters = {{"from", "DateTime"}, {"to", "DateTime64(3, 'UTC')"}, {"zone", "String"}};
    sales.tiles[1].drill = {
        "Orders",
        "SELECT id, {country:Array(String)} AS c FROM " + database_ + ".orders WHERE id = {id:UInt64}",
        {{"country", "Array(String)"}, {"id", "UInt64"}}};
    config::Dashboard slow;
    slow.name = "slow";
    add_tile(slow, "SELECT sleep(0.05), count() FROM " + database_ + ".orders");
    options.dashboards = {dashboard, sales, slow};
    config::EndpointFile endpoint;
    endpoint.name = "order";
    config::EndpointParameter parameter;
    parameter.name = "id";
    parameter.type = "UInt64";
    parameter.required = true;
    parameter.minimum = 1;
    endpoint.parameters = {parameter};
    endpoint.sql = "SELECT id, amount FROM " + database_ + ".orders WHERE id = {id:UInt64}";
    config::EndpointFile orders;
    orders.name = "orders";
    parameter.name = "least";
    orders.parameters = {parameter};
    orders.sql = "SELECT id, amount FROM " + database_ + ".orders WHERE id >= {least:UInt64} ORDER BY id";
    config::EndpointFile endless;
    endless.name = "long";
    endless.sql =
        "SELECT sum(sleepEachRow(0.1)) AS the_long_one FROM numbers(250) SETTINGS max_block_size = 1";
    options.endpoints = {endpoint, orders, endless};

    ingest::SourceStatus source;
    source.source = "shop";
    source.state = "streaming";
    source.as_of_micros = 1'700'000'000'123'000;
    source.ladder = {0x20, 0x20, 0x10, 0x10, 0x10, 0x08};
    source.tables = {{"bronze.orders", "live", 1, 0, 0, 0, ""}};
    status_.sources = {source};
    live_ = std::make_unique<LiveServer>(std::move(options));
    const Status started = live_->start();
    ASSERT_TRUE(started) << started.error().describe();
  }
  void TearDown() override {
    live_.reset();
    run("DROP DATABASE " + database_);
  }
  static void add_tile(config::Dashboard& dashboard, std::string sql) {
    config::Tile tile;
    tile.title = "tile";
    tile.sql = tile.query = std::move(sql);
    dashboard.tiles.push_back(tile);
  }
  void run(const std::string& sql) {
    const Status status = client_->execute(sql);
    ASSERT_TRUE(status) << status.error().describe();
  }
  void cut(std::vector<std::string> tables) {
    ingest::CutEvent event;
    event.source = "shop";
    event.cut = ++cut_;
    event.rows = 1;
    event.committed_at_micros = 1'700'000'000'123'000;
    event.queryable_at_micros = event.committed_at_micros + 30'000;
    event.tables = std::move(tables);
    {
      std::lock_guard lock(mutex_);
      status_.sources[0].last_cut = cut_;
    }
    live_->on_cut(event);
  }
  std::unique_ptr<TestConnection> watch(const std::string& path) {
    auto connection = std::make_unique<TestConnection>(live_->port());
    connection->send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return connection;
  }

  std::optional<clickhouse::Client> client_;
  std::string database_;
  std::mutex mutex_;
  ingest::PipelineStatus status_;
  std::atomic<int> lineage_asked_{0};
  std::atomic<bool> known_to_move_{false};
  uint64_t cut_ = 0;
  std::unique_ptr<LiveServer> live_;
};

TEST_F(LiveServerTest, AViewerGetsAllTilesThenWhatACutChanged) {
  const auto viewer = watch("/api/dashboards/overview/live");
  const std::string first = viewer->until("event: refresh");
  std::map<int64_t, json::object> tiles;
  for (const auto& text : events(first, "tile")) {
    json::object tile = json::parse(text).as_object();
    tiles[tile.at("tile").as_int64()] = tile;
  }
  ASSERT_EQ(tiles.size(), 4) << first;
  EXPECT_EQ(json::serialize(tiles[0].at("result").at("data")), R"([["1"]])");
  // Nothing is rounded on the way to the browser.
  EXPECT_EQ(json::serialize(tiles[1].at("result").at("data")),
            R"([["9007199254740993","12345678901234567890.12"]])");
  EXPECT_EQ(tiles[2].at("error").at("kind"), "refused");
  EXPECT_NE(json::serialize(tiles[2].at("error")).find("missing"), std::string::npos);
  const std::string uuid = json::serialize(tiles[3].at("result").at("data"));

  run("INSERT INTO " + database_ + ".orders VALUES (2, 1)");
  cut({"bronze.orders"});
  const std::string& seen = viewer->until(R"([["2"]])");
  ASSERT_NE(seen.find(R"([["2"]])"), std::string::npos) << seen;
  // The tile that reads something else was not run again.
  EXPECT_EQ(seen.find("\"tile\":3", first.size()), std::string::npos);
  EXPECT_NE(seen.find(uuid.substr(3, 36)), std::string::npos);
}

TEST_F(LiveServerTest, ASecondViewerIsServedFromWhatIsKnown) {
  const auto first = watch("/api/dashboards/overview/live");
  const std::string seen = first->until("event: refresh");
  const auto second = watch("/api/dashboards/overview/live");
  const std::string also = second->until("event: refresh");
  const auto uuid = [](const std::string& text) { return text.substr(text.find("\"tile\":3"), 200); };
  // Same random value: the query did not run again for the second one.
  const std::string value = uuid(seen).substr(uuid(seen).find("[["), 42);
  EXPECT_NE(also.find(value), std::string::npos);
}

TEST_F(LiveServerTest, ARefreshSaysOfWhichCommitItIs) {
  const auto viewer = watch("/api/dashboards/overview/live");
  viewer->until("event: refresh");
  const std::string seen = viewer->until("\"took_ms\":");
  const auto refreshes = events(viewer->until("\n\n"), "refresh");
  ASSERT_FALSE(refreshes.empty());
  const json::object refresh = json::parse(refreshes[0]).as_object();
  EXPECT_EQ(refresh.at("as_of_ms").to_number<double>(), 1'700'000'000'123.0);
  EXPECT_EQ(refresh.at("sources").at("shop").at("lsn"), "0/10");
}

TEST_F(LiveServerTest, ACutThatTouchesNoTileStillMovesTheAsOf) {
  const auto viewer = watch("/api/dashboards/overview/live");
  viewer->until("event: refresh");
  cut({"bronze.nobody_reads_this"});
  const std::string& seen = viewer->until("\"cut\":1,");
  EXPECT_NE(seen.find("\"cut\":1,"), std::string::npos) << seen;
}

// What a tile showed in the first round.
json::array first_rows(const std::string& seen, int64_t tile, const char* member = "result") {
  for (const auto& text : events(seen, "tile")) {
    json::object event = json::parse(text).as_object();
    if (event.at("tile") == tile && event.contains(member))
      return event.at(member).at("data").as_array().at(0).as_array();
  }
  return {};
}

TEST_F(LiveServerTest, ARangeAndAZoneAreBoundNotSpliced) {
  auto seen = [&](const std::string& query) {
    return watch("/api/dashboards/sales/live" + query)->until("event: refresh");
  };
  std::string answer = seen("");
  EXPECT_EQ(json::serialize(first_rows(answer, 0)).substr(0, 33), R"(["2026-11-01","2026-11-08",21600,)")
      << answer;
  EXPECT_EQ(json::serialize(first_rows(answer, 2)),
            R"(["2026-11-01 00:00:00","2026-11-08 00:00:00.000","UTC"])")
      << answer;
  answer = seen("?zone=America%2FNew_York");
  EXPECT_EQ(json::serialize(first_rows(answer, 0)).substr(0, 26), R"(["2026-11-01","2026-11-08")");
  // Summer time until the night of the first.
  EXPECT_EQ(json::serialize(first_rows(answer, 2)),
            R"(["2026-11-01 04:00:00","2026-11-08 05:00:00.000","America/New_York"])")
      << answer;
  answer = seen("?time=2026-11-01T10:00..2026-11-01T12:30");
  EXPECT_EQ(json::serialize(first_rows(answer, 0)).substr(0, 26), R"(["2026-11-01","2026-11-02")");
  EXPECT_EQ(json::serialize(first_rows(answer, 2)),
            R"(["2026-11-01 10:00:00","2026-11-01 12:30:00.000","UTC"])");
  EXPECT_EQ(json::serialize(first_rows(seen("?time=all"), 2)),
            R"(["1970-01-02 00:00:00","2299-12-30 00:00:00.000","UTC"])");
  auto compared = seen("?compare=1");
  EXPECT_EQ(json::serialize(first_rows(compared, 0, "before")).substr(0, 26), R"(["2026-10-25","2026-11-01")")
      << compared;
  auto row = first_rows(seen("?country=DE&country=a%27)%20OR%201%3D1%20--&number=7"), 1);
  ASSERT_EQ(row.size(), 3);
  EXPECT_EQ(json::serialize(row[0]), R"(["DE","a') OR 1=1 --"])");
  EXPECT_EQ(json::serialize(row[1]), "[7]");
  for (const char* wrong : {"?time=tomorrow", "?zone=Nowhere%2FNever", "?zone=%27", "?country2=x",
                            "?number=x", "?number=1]", "?compare=yes"}) {
    answer = http::get(live_->port(), std::string("/api/dashboards/sales/live") + wrong);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << wrong << "\n" << answer.substr(0, 300);
  }
}

TEST_F(LiveServerTest, OneExecutionOfAQueryUnderItsParametersForAllViewers) {
  const auto a = watch("/api/dashboards/sales/live?country=DE");
  const auto row = first_rows(a->until("event: refresh"), 1);
  const auto time = first_rows(a->until("event: refresh"), 0);
  const auto b = watch("/api/dashboards/sales/live?country=DE");
  EXPECT_EQ(first_rows(b->until("event: refresh"), 1), row);
  // Another country: the tile that does not name it is not run again.
  const auto c = watch("/api/dashboards/sales/live?country=AT");
  const std::string seen = c->until("event: refresh");
  EXPECT_NE(first_rows(seen, 1), row);
  EXPECT_EQ(first_rows(seen, 0), time);
  // A cut that touches them: once each for all three.
  const auto queries = [&] {
    const std::string text = body_of(http::get(live_->port(), "/metrics"));
    const std::string name = "\ntidemark_dashboard_queries_total ";
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  const auto before = queries();
  const size_t a_seen = a->until("event: refresh").size(), c_seen = seen.size();
  cut({"bronze.orders"});
  for (auto [viewer, from] : {std::pair{a.get(), a_seen}, {b.get(), size_t(0)}, {c.get(), c_seen}})
    EXPECT_NE(viewer->until("\"cut\":1,").find("\"cut\":1,", from), std::string::npos);
  EXPECT_EQ(queries(), before + 3);  // one for all, one a country
}

TEST_F(LiveServerTest, AReconnectedViewerGetsWhatChanged) {
  const auto stays = watch("/api/dashboards/sales/live");
  stays->until("event: refresh\nid: ");
  const std::string first = stays->until("\"took_ms\"");
  const size_t at = first.rfind("event: refresh\nid: ") + 19;
  const std::string id = first.substr(at, first.find('\n', at) - at);
  TestConnection again(live_->port());
  again.send("GET /api/dashboards/sales/live HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: " + id +
             "\r\n\r\n");
  const std::string after = again.until("event: refresh");
  EXPECT_EQ(after.find("event: tile"), std::string::npos) << after;
  const auto resumed = watch("/api/dashboards/sales/live?after=" + id);
  EXPECT_EQ(resumed->until("event: refresh").find("event: tile"), std::string::npos);
}

TEST_F(LiveServerTest, ARoundSaysWhetherItIsOfOneMoment) {
  {
    std::lock_guard lock(mutex_);
    status_.sources[0].ladder.cut = 0x18;  // under way, and it stays so
  }
  const auto mixed = watch("/api/dashboards/sales/live");
  EXPECT_NE(mixed->until("\"one_fence\":").find("\"one_fence\":"), std::string::npos);
  EXPECT_NE(mixed->until("\"one_fence\":false").find("\"one_fence\":false"), std::string::npos);
  {
    std::lock_guard lock(mutex_);
    status_.sources[0].ladder = {0x20, 0x20, 0x18, 0x18, 0x18, 0x08};
  }
  cut({"bronze.orders"});
  EXPECT_NE(mixed->until("\"one_fence\":true").find("\"one_fence\":true"), std::string::npos);
}

TEST_F(LiveServerTest, ViewersTakeABoundedShareOfTheTime) {
  const auto viewer = watch("/api/dashboards/slow/live");
  viewer->until("event: refresh");
  const auto seconds = [&] {
    const std::string text = body_of(http::get(live_->port(), "/metrics"));
    const std::string name = "\ntidemark_dashboard_query_seconds_total ";
    return std::stod(text.substr(text.find(name) + name.size()));
  };
  const double before = seconds();
  const auto begun = std::chrono::steady_clock::now();
  std::chrono::duration<double> passed{0};
  while (passed.count() < 2) {
    cut({"bronze.orders"});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a load, not a wait
    passed = std::chrono::steady_clock::now() - begun;
  }
  const double share = (seconds() - before) / passed.count();
  EXPECT_GT(share, 0.02);
  EXPECT_LT(share, 0.45);
}

TEST_F(LiveServerTest, TilesAreFilesAndHaveRowsBehindThem) {
  const auto get = [&](const std::string& path) {
    return http::get(live_->port(), "/api/dashboards/sales/" + path);
  };
  EXPECT_NE(get("filters").find(R"("values":[["DE"],["AT"]])"), std::string::npos) << get("filters");
  EXPECT_NE(get("tiles/1?format=csv&country=DE").find("\"['DE']\",\"[]\""), std::string::npos)
      << get("tiles/1?format=csv&country=DE");
  EXPECT_TRUE(body_of(get("tiles/0?format=parquet")).starts_with("PAR1"));
  EXPECT_NE(get("tiles/0?format=arrow").find("application/vnd.apache.arrow.stream"), std::string::npos);
  for (const char* wrong : {"tiles/0?format=xml", "tiles/0?time=x", "tiles/1/rows", "tiles/1/rows?row.id=x"})
    EXPECT_TRUE(get(wrong).starts_with("HTTP/1.1 400 ")) << wrong << "\n" << get(wrong);
  for (const char* none : {"tiles/3", "tiles/-1", "tiles/x", "tiles/0/rows"})
    EXPECT_TRUE(get(none).starts_with("HTTP/1.1 404 ")) << none << "\n" << get(none);
  EXPECT_NE(get("tiles/1/rows?row.id=9007199254740993&country=AT").find(R"([["9007199254740993", ["AT"]]])"),
            std::string::npos)
      << get("tiles/1/rows?row.id=9007199254740993&country=AT");
}

TEST_F(LiveServerTest, EventsAnnounceCuts) {
  const auto viewer = watch("/api/events");
  viewer->until("event: status");
  cut({"bronze.orders"});
  const std::string& seen = viewer->until("event: cut");
  viewer->until("\"tables\":[\"bronze.orders\"]");
  EXPECT_NE(seen.find("id: shop:1"), std::string::npos) << seen;
}

TEST_F(LiveServerTest, StatusHasTheDocumentedShape) {
  const json::object status = json::parse(body_of(http::get(live_->port(), "/api/status"))).as_object();
  const json::object& source = status.at("sources").as_array().at(0).as_object();
  EXPECT_EQ(source.at("source"), "shop");
  EXPECT_EQ(source.at("ladder").at("server"), "0/20");
  EXPECT_EQ(source.at("ladder").at("acknowledged"), "0/8");
  EXPECT_EQ(source.at("tables").as_array().at(0).at("table"), "bronze.orders");
  EXPECT_TRUE(status.at("commit_to_queryable_ms").as_object().contains("p99"));
  EXPECT_EQ(status.at("warehouse").at("mode"), "embedded");
}

TEST_F(LiveServerTest, ReadyNamesWhatItWaitsFor) {
  {
    std::lock_guard lock(mutex_);
    status_.sources[0].state = "waiting";
    status_.sources[0].error = "Postgres refuses connections";
  }
  const std::string answer = http::get(live_->port(), "/readyz");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("source shop is waiting: Postgres refuses connections"), std::string::npos) << answer;
  EXPECT_TRUE(http::get(live_->port(), "/healthz").starts_with("HTTP/1.1 200 "));
}

TEST_F(LiveServerTest, EndpointsBindTypedParameters) {
  const auto get = [&](const std::string& query) {
    return http::get(live_->port(), "/api/endpoints/order" + query);
  };
  EXPECT_TRUE(get("?id=9007199254740993&format=csv")
                  .ends_with("\"id\",\"amount\"\n9007199254740993,12345678901234567890.12\n"))
      << get("?id=9007199254740993&format=csv");
  EXPECT_NE(get("?id=9007199254740993").find("\"9007199254740993\""), std::string::npos);
  for (const char* query : {"", "?id=0", "?id=x", "?id=1%20OR%201%3D1", "?id=1&other=2", "?id=1&format=xml"})
    EXPECT_TRUE(get(query).starts_with("HTTP/1.1 400 ")) << query << "\n" << get(query);
  EXPECT_TRUE(get("?id=1.5").starts_with("HTTP/1.1 4")) << get("?id=1.5");
  EXPECT_TRUE(http::get(live_->port(), "/api/endpoints/none").starts_with("HTTP/1.1 404 "));
}

TEST_F(LiveServerTest, EndpointsHavePagesFormatsAndTags) {
  run("INSERT INTO " + database_ + ".orders SELECT number + 1, number FROM numbers(10)");
  const auto get = [&](const std::string& query, const std::string& headers = "") {
    TestConnection connection(live_->port());
    connection.send("GET /api/endpoints/orders" + query +
                    " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
    return connection.until_closed();
  };
  // Page by page, everything once, until there is no next.
  std::string seen, query = "?least=1&format=jsonl&limit=4";
  int pages = 0;
  for (; pages < 10; ++pages) {
    const std::string answer = get(query);
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    seen += body_of(answer);
    const size_t link = answer.find("Link: </api/endpoints/orders");
    if (link == std::string::npos) break;
    query = answer.substr(link + 28, answer.find('>', link) - link - 28);
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), '\n'), 11);
  for (int id = 1; id <= 10; ++id)
    EXPECT_NE(seen.find(fmt::format("{{\"id\":\"{}\",", id)), std::string::npos) << seen;
  for (const char* wrong :
       {"?least=1&limit=0", "?least=1&limit=x", "?least=1&offset=-1", "?least=1&limit=100001"})
    EXPECT_TRUE(get(wrong).starts_with("HTTP/1.1 400 ")) << wrong;
  EXPECT_TRUE(body_of(get("?least=1&format=parquet")).starts_with("PAR1"));
  EXPECT_TRUE(get("?least=1&format=arrow").starts_with("HTTP/1.1 200 "));
  const std::string whole = get("?least=1");
  const size_t at = whole.find("ETag: ") + 6;
  const std::string tag = whole.substr(at, whole.find("\r\n", at) - at);
  EXPECT_NE(whole.find("Tidemark-As-Of: 1700000000.123\r\n"), std::string::npos);
  EXPECT_TRUE(get("?least=1", "If-None-Match: " + tag + "\r\n").starts_with("HTTP/1.1 304 "));
  run("INSERT INTO " + database_ + ".orders VALUES (11, 0)");
  EXPECT_TRUE(get("?least=1", "If-None-Match: " + tag + "\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(LiveServerTest, WhoHasTheAnswerCostsNoQuery) {
  known_to_move_ = true;
  cut({"bronze.orders"});
  const auto get = [&](const std::string& path, const std::string& tag = "") {
    TestConnection connection(live_->port());
    connection.send("GET /api/" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                    (tag.empty() ? "" : "If-None-Match: " + tag + "\r\n") + "\r\n");
    return connection.until_closed();
  };
  const auto tag_in = [](const std::string& answer) {
    const size_t at = answer.find("ETag: ") + 6;
    return answer.substr(at, answer.find("\r\n", at) - at);
  };
  const auto queries = [&] {
    const std::string metrics = http::get(live_->port(), "/metrics");
    const size_t at = metrics.find("\ntidemark_answer_queries_total ") + 31;
    return std::stoul(metrics.substr(at));
  };
  for (const std::string path : {"endpoints/orders?least=1", "dashboards/overview/tiles/1",
                                 "dashboards/overview/tiles/1?format=csv"}) {
    const std::string tag = tag_in(get(path));
    const auto before = queries();
    const std::string again = get(path, tag);
    EXPECT_TRUE(again.starts_with("HTTP/1.1 304 ")) << path << "\n" << again;
    EXPECT_EQ(tag_in(again), tag);
    EXPECT_EQ(queries(), before) << path;
    cut({"bronze.other"});
    EXPECT_TRUE(get(path, tag).starts_with("HTTP/1.1 304 ")) << path << ": a cut that touched nothing of it";
    cut({"bronze.orders"});
    EXPECT_TRUE(get(path, tag).starts_with("HTTP/1.1 200 ")) << path << ": one that did";
    EXPECT_EQ(queries(), before + 1) << path;
  }
  EXPECT_NE(get("endpoints/orders?least=1", tag_in(get("endpoints/orders?least=1"))).find("Tidemark-As-Of: "),
            std::string::npos);
  // Other requests have other answers.
  const std::string tag = tag_in(get("endpoints/orders?least=1"));
  for (const char* other : {"endpoints/orders?least=2", "endpoints/orders?least=1&format=csv",
                            "endpoints/orders?least=1&limit=1", "endpoints/order?id=1"})
    EXPECT_TRUE(get(other, tag).starts_with("HTTP/1.1 200 ")) << other;
  // Where it cannot be told, the query runs: rows that are copied, a source that is away, a cut not heard of.
  const auto asks_after = [&](const std::function<void(ingest::SourceStatus&)>& change) {
    const std::string known = tag_in(get("endpoints/orders?least=1"));
    const ingest::PipelineStatus was = status_;
    {
      std::lock_guard lock(mutex_);
      change(status_.sources[0]);
    }
    const auto before = queries();
    get("endpoints/orders?least=1", known);
    EXPECT_EQ(queries(), before + 1);
    std::lock_guard lock(mutex_);
    status_ = was;
  };
  asks_after([](auto& source) { source.tables[0].state = "copying"; });
  asks_after([](auto& source) { source.state = "waiting"; });
  asks_after([](auto& source) { ++source.last_cut; });
  asks_after([](auto& source) { source.tables.clear(); });
}

TEST_F(LiveServerTest, WhoHangsUpEndsTheQuery) {
  const auto running = [&] {
    auto text = client_->query_text(
        "SELECT count() FROM system.processes WHERE query LIKE '%the_long_one%' AND query NOT LIKE "
        "'%processes%'");
    return text.has_value() ? *text : text.error().describe();
  };
  const auto eventually = [&](const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (running() != wanted && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return running() == wanted;
  };
  {
    const auto connection = watch("/api/endpoints/long");
    ASSERT_TRUE(eventually("1\n")) << running();
  }
  EXPECT_TRUE(eventually("0\n")) << running();
}

TEST_F(LiveServerTest, MetricsAreInPrometheusFormat) {
  cut({"bronze.orders"});
  const std::string text = body_of(http::get(live_->port(), "/metrics"));
  EXPECT_NE(text.find("tidemark_source_position_bytes{source=\"shop\",step=\"queryable\"} 16\n"),
            std::string::npos);
  EXPECT_NE(text.find("tidemark_commit_to_queryable_seconds_bucket{source=\"shop\",le=\"0.02\"} 0\n"),
            std::string::npos);
  EXPECT_NE(text.find("tidemark_commit_to_queryable_seconds_bucket{source=\"shop\",le=\"0.04\"} 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("tidemark_cuts_total{source=\"shop\"} 1\n"), std::string::npos);
  // Every sample belongs to a family that was announced, and none is announced twice.
  std::set<std::string> families;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      const std::string family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family;
    } else if (!line.starts_with('#')) {
      std::string family = line.substr(0, line.find_first_of("{ "));
      for (const char* ending : {"_bucket", "_sum", "_count"})
        if (!families.contains(family) && family.ends_with(ending))
          family.resize(family.size() - strlen(ending));
      EXPECT_TRUE(families.contains(family)) << line;
    }
  }
}

TEST_F(LiveServerTest, ServesThePageCompressedAndRevalidated) {
  const std::string page = http::get(live_->port(), "/");
  ASSERT_TRUE(page.starts_with("HTTP/1.1 200 OK\r\n")) << page.substr(0, 300);
  EXPECT_NE(page.find("<div id=\"app\">"), std::string::npos);
  const size_t script = page.find("/assets/");
  ASSERT_NE(script, std::string::npos);
  const std::string path = page.substr(script, page.find('"', script) - script);
  http::Request request;
  request.headers = {{"accept-encoding", "gzip, br"}};
  const http::Response compressed = page_file(request, path.substr(1));
  ASSERT_EQ(compressed.status, 200);
  EXPECT_LT(compressed.built_in->size(), 150'000);
  std::string etag;
  for (const auto& [name, value] : compressed.headers)
    if (name == "ETag") etag = value;
  request.headers.emplace_back("if-none-match", etag);
  EXPECT_EQ(page_file(request, path.substr(1)).status, 304);
  EXPECT_EQ(page_file(request, "../base/limits.h").status, 404);
}

TEST_F(LiveServerTest, UnknownDashboardsAre404) {
  EXPECT_TRUE(http::get(live_->port(), "/api/dashboards/none").starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(http::get(live_->port(), "/api/dashboards/none/live").starts_with("HTTP/1.1 404 "));
  const json::object openapi = json::parse(body_of(http::get(live_->port(), "/openapi.json"))).as_object();
  EXPECT_TRUE(openapi.at("paths").as_object().contains("/api/endpoints/order"));
}

}  // namespace
}  // namespace tidemark::serve
