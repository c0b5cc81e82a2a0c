// Alerts at work on a real ClickHouse, over lives that end where it hurts: told once, whatever was written
// when.
#include "alerts/alert_service.h"

#include "clickhouse/test_server.h"

#include <gtest/gtest.h>

namespace tidemark::alerts {
namespace {

using clickhouse::TestServer;

constexpr std::chrono::seconds deadline{60};

class AlertServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* table : {"tidemark.outbox", "tidemark.outbox_away", "tidemark.alerts",
                              "tidemark.alert_values", "default.watched"})
      sql(fmt::format("DROP TABLE IF EXISTS {} SYNC", table));
    sql("CREATE TABLE default.watched (value Float64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY "
        "at");
    pool_ = std::make_unique<clickhouse::ClientPool>(TestServer::shared().endpoint());
    outbox_ = std::make_unique<notify::Outbox>(*pool_);
    ASSERT_TRUE(outbox_->prepare());
    source_.source = "shop";
    source_.state = "streaming";
  }

  void sql(const std::string& text) {
    auto done = TestServer::shared().client().execute(text);
    ASSERT_TRUE(done) << done.error().describe();
  }
  std::string value(const std::string& query) {
    auto text = TestServer::shared().client().query_text(query);
    return text ? text->substr(0, text->rfind('\n')) : text.error().describe();
  }
  // What was told, in order.
  std::string told() {
    return value(
        "SELECT arrayStringConcat(groupArray(kind), ' ') FROM (SELECT kind FROM tidemark.outbox WHERE "
        "subject = 'high' ORDER BY seq)");
  }
  template <class Condition>
  void wait_for(const std::string& what, const Condition& condition) {
    auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not in time: " << what;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  void wait_told(const std::string& wanted) {
    wait_for(wanted, [&] { return told() == wanted; });
  }

  static config::Alert high() {
    config::Alert alert;
    alert.name = "high";
    alert.sql = "SELECT sum(value) FROM default.watched";
    alert.limit = 10;
    alert.every_seconds = 1;
    alert.notify = {"crm"};
    return alert;
  }

  std::unique_ptr<AlertService> life(std::vector<config::Alert> alerts) {
    AlertHooks hooks;
    hooks.pipeline = [this] { return ingest::PipelineStatus{{source_}}; };
    hooks.audits = [] { return std::vector<AuditReading>(); };
    hooks.leads = [this] { return leads_.load(); };
    hooks.while_whole = [](const std::function<Status()>& action) { return action(); };
    hooks.in_order = [this](const std::function<Status(uint64_t&)>& write) -> Status {
      uint64_t seq = TRY(outbox_->newest());
      // Between the row and the outbox it goes away.
      if (outbox_goes_away_) sql("RENAME TABLE tidemark.outbox TO tidemark.outbox_away");
      return write(seq);
    };
    auto service = std::make_unique<AlertService>(
        std::move(alerts), *pool_, TestServer::shared().endpoint(clickhouse::Account::tidemark),
        outbox_.get(), std::move(hooks));
    auto prepared = service->prepare();
    EXPECT_TRUE(prepared) << prepared.error().describe();
    service->start();
    return service;
  }
  void wait_checks(const AlertService& service, uint64_t least) {
    wait_for("checks", [&] { return service.facts().at(0).checks >= least; });
  }

  std::unique_ptr<clickhouse::ClientPool> pool_;
  std::unique_ptr<notify::Outbox> outbox_;
  ingest::SourceStatus source_;
  std::atomic<bool> outbox_goes_away_{false}, leads_{true};
};

TEST_F(AlertServiceTest, fires_once_over_lives_and_is_resolved) {
  sql("INSERT INTO default.watched (value) VALUES (11)");
  {
    auto first = life({high()});
    wait_told("alert.firing");
    wait_checks(*first, 2);
  }
  {
    auto second = life({high()});
    wait_checks(*second, 2);
    EXPECT_EQ(told(), "alert.firing");
    EXPECT_EQ(second->facts().at(0).state, "firing");
    sql("INSERT INTO default.watched (value) VALUES (-5)");
    second->on_cut({"bronze.anything"});
    wait_told("alert.firing alert.resolved");
    auto history = second->history("high");
    ASSERT_TRUE(history);
    EXPECT_EQ(history->size(), 2);
    EXPECT_EQ(history->at(0).prev_seq, history->at(1).state.seq);
    EXPECT_FALSE(second->history("hihg"));
  }
  EXPECT_EQ(value("SELECT groupArray(JSONExtractUInt(data, 'seq') = seq) FROM tidemark.outbox"), "[1,1]");
}

TEST_F(AlertServiceTest, what_was_written_and_not_told_is_told_by_the_next_life) {
  sql("INSERT INTO default.watched (value) VALUES (11)");
  outbox_goes_away_ = true;
  {
    auto first = life({high()});
    wait_for("the row", [&] { return value("SELECT count() FROM tidemark.alerts") == "1"; });
    wait_for("the error", [&] { return !first->facts().at(0).error.empty(); });
  }
  EXPECT_EQ(value("SELECT count() FROM tidemark.outbox_away"), "0");
  outbox_goes_away_ = false;
  sql("RENAME TABLE tidemark.outbox_away TO tidemark.outbox");
  // Others went on meanwhile, past the number that was to be this one's.
  sql("INSERT INTO tidemark.outbox (seq, kind, subject, entity) VALUES (1, 'segment.entered', 'vip', '7'), "
      "(2, "
      "'segment.exited', 'vip', '7')");
  {
    auto second = life({high()});
    wait_told("alert.firing");
    wait_checks(*second, 2);
  }
  EXPECT_EQ(told(), "alert.firing");
  EXPECT_EQ(value("SELECT max(seq), JSONExtractUInt(argMax(data, seq), 'seq') FROM tidemark.outbox"), "3\t3");
  // Its state is that of the row: the next life has nothing to say.
  auto third = life({high()});
  wait_checks(*third, 2);
  EXPECT_EQ(told(), "alert.firing");
}

TEST_F(AlertServiceTest, one_without_a_file_is_resolved) {
  sql("INSERT INTO default.watched (value) VALUES (11)");
  {
    auto first = life({high()});
    wait_told("alert.firing");
  }
  auto second = life({});
  wait_told("alert.firing alert.resolved");
}

TEST_F(AlertServiceTest, half_of_a_table_says_nothing) {
  source_.tables.push_back({.table = "bronze.watched", .state = "copying"});
  sql("INSERT INTO default.watched (value) VALUES (11)");
  config::Alert lag;
  lag.name = "lag";
  lag.subject = config::Alert::Subject::source;
  lag.of = "shop";
  lag.limit = 60;
  auto service = life({high(), lag});
  wait_for("the other alert", [&] { return service->facts().at(1).checks > 0; });
  wait_for("a reason", [&] { return !service->facts().at(0).waits.empty(); });
  EXPECT_EQ(service->facts().at(0).checks, 0);
  EXPECT_EQ(told(), "");
}

TEST_F(AlertServiceTest, of_a_source_s_slot) {
  source_.slot = ingest::SlotHealth{.wal_status = "extended", .retained_bytes = 5'000'000'000};
  config::Alert kept, left;
  kept.name = "kept";
  left.name = "left";
  kept.subject = left.subject = config::Alert::Subject::source;
  kept.of = left.of = "shop";
  kept.measure = config::Alert::Measure::retained;
  kept.limit = 4e9;
  left.measure = config::Alert::Measure::left;
  left.condition = config::Alert::Condition::below;
  left.limit = 3'600;
  auto service = life({kept, left});
  wait_for("both", [&] { return service->facts().at(0).checks > 0 && service->facts().at(1).checks > 0; });
  EXPECT_EQ(service->facts().at(0).state, "firing");
  EXPECT_EQ(service->facts().at(0).value, 5e9);
  EXPECT_EQ(service->facts().at(1).state, "ok") << "nothing bounds it";
  EXPECT_EQ(service->facts().at(1).value, std::nullopt);
}

TEST_F(AlertServiceTest, only_one_process_looks) {
  sql("INSERT INTO default.watched (value) VALUES (11)");
  leads_ = false;
  auto service = life({high()});
  wait_for("a reason", [&] { return !service->facts().at(0).waits.empty(); });
  EXPECT_EQ(service->facts().at(0).checks, 0);
  leads_ = true;
  wait_told("alert.firing");
  EXPECT_EQ(service->facts().at(0).waits, "");
}

TEST_F(AlertServiceTest, a_query_that_fails_changes_nothing) {
  config::Alert wrong = high();
  wrong.sql = "SELECT 'text'";
  auto service = life({wrong});
  wait_for("an error", [&] { return !service->facts().at(0).error.empty(); });
  EXPECT_EQ(service->facts().at(0).state, "ok");
  EXPECT_NE(service->facts().at(0).error.find("no number"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::alerts
