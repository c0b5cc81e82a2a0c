// Events from a door to the warehouse, with a real ClickHouse.
#include "ingest/event_pipeline.h"

#include "clickhouse/test_server.h"
#include "ingest/tracking_document.h"

#include <condition_variable>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::ingest {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

class EventPipelineTest : public testing::Test {
 protected:
  EventPipelineTest() : pool_(clickhouse::TestServer::shared().endpoint(), 8) {}

  void SetUp() override {
    for (const char* database : {"witness", "bronze", "tidemark"})
      warehouse(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
    source_.name = "app";
    source_.table = "app_events";
    source_.spool = directory_.path() / "spool";
    source_.spool_bytes_max = 64 << 20;
    source_.write_keys = {{.name = "web", .key = Secret("0123456789")}};
  }
  void TearDown() override { pipeline_.reset(); }

  void warehouse(const std::string& sql) { ASSERT_OK(pool_.execute(sql)); }
  std::string ask(const std::string& sql) {
    auto text = pool_.lease()->query_text(sql);
    if (!text) return text.error().describe();
    if (!text->empty()) text->pop_back();
    return *text;
  }
  void start(std::set<std::string> with_changes = {}) {
    pipeline_ = std::make_unique<EventPipeline>(
        EventPipelineOptions{.source = source_, .tables_with_changes = std::move(with_changes)}, pool_,
        ModelHooks(), system_clock(), nullptr);
    ASSERT_OK(pipeline_->prepare());
    pipeline_->start();
  }
  // Accepted, durably. `numbers`: the events' ids.
  void send(const std::vector<int>& numbers, const std::string& event = "Clicked") {
    std::string body = R"({"batch":[)";
    for (int number : numbers)
      body += fmt::format(
          R"({}{{"type":"track","event":"{}","userId":"u{}","messageId":"m{}","properties":{{"n":{}}}}})",
          body.size() > 10 ? "," : "", event, number % 7, number, number);
    TrackingReader reader;
    ASSERT_OK(reader.open(body + "]}", "batch"));
    int64_t now = system_clock().wall_micros();
    EventRecordWriter record(now, "web");
    ASSERT_OK(reader.read(now, 1, record));
    give(std::move(record));
  }
  void give(EventRecordWriter record) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> outcome;
    EventDoor& door = *pipeline_->door();
    ASSERT_OK(door.take(std::move(record), source_.write_keys[0], [&](const Status& written) {
      std::lock_guard lock(mutex);
      outcome = written;
      changed.notify_all();
    }));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return outcome.has_value(); });
    ASSERT_OK(*outcome);
  }
  void settle() {
    auto position = pipeline_->ask_for_fence();
    ASSERT_OK(position);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (pipeline_->status().ladder.fenced < *position || !pipeline_->at_fence()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << pipeline_->status().error;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  static std::vector<int> range(int from, int to) {
    std::vector<int> numbers;
    for (int number = from; number < to; ++number) numbers.push_back(number);
    return numbers;
  }

  clickhouse::TestDirectory directory_;
  clickhouse::ClientPool pool_;
  config::EventSource source_;
  std::unique_ptr<EventPipeline> pipeline_;
};

TEST_F(EventPipelineTest, EveryEventOnceAndTheFirstCounts) {
  start();
  send(range(0, 100));
  send({100, 101, 100, 101, 100});
  settle();
  // Sent again, with other values: in the same cut or a later one, it changes nothing.
  send(range(90, 110), "Other");
  settle();
  EXPECT_EQ(
      ask("SELECT count(), uniqExact(message_id), countIf(event = 'Clicked'), sum(JSONExtractInt(properties, "
          "'n')) FROM bronze.app_events"),
      fmt::format("110\t110\t102\t{}", 109 * 110 / 2));
  EXPECT_EQ(
      ask("SELECT type, user_id, write_key, library FROM bronze.app_events__current WHERE message_id = 'm8'"),
      "track\tu1\tweb\t");
  auto intake = pipeline_->status().intake;
  ASSERT_TRUE(intake);
  EXPECT_EQ(intake->accepted, 125u);
  EXPECT_EQ(intake->duplicates, 15u);
  // Across restarts.
  pipeline_->stop();
  start();
  send(range(0, 120), "Later");
  settle();
  EXPECT_EQ(ask("SELECT count(), uniqExact(message_id), countIf(event = 'Later') FROM bronze.app_events"),
            "120\t120\t10");
  EXPECT_EQ(pipeline_->status().intake->duplicates, 110u);
}

// Whoever waits until nothing waits any more must not be told so while the spool has what nobody has read
// yet.
TEST_F(EventPipelineTest, WhatIsInTheSpoolWaitsAlsoBeforeItIsRead) {
  start();
  settle();
  pipeline_->stop();
  pipeline_ = std::make_unique<EventPipeline>(EventPipelineOptions{.source = source_}, pool_, ModelHooks(),
                                              system_clock(), nullptr);
  ASSERT_OK(pipeline_->prepare());
  send(range(0, 10));
  auto status = pipeline_->status();
  EXPECT_GT(status.ladder.server, status.ladder.queryable);
  EXPECT_GT(status.lag_ms, 0);
  ASSERT_TRUE(status.intake);
  EXPECT_GT(status.intake->spool_age_ms, 0);
  pipeline_->start();
  settle();
  EXPECT_EQ(pipeline_->status().intake->spool_age_ms, 0);
  EXPECT_EQ(ask("SELECT count() FROM bronze.app_events"), "10");
}

// Whoever waits for a moment without a cut under way (a deployment) would else wait for the next event.
TEST_F(EventPipelineTest, AKillThatLeftNothingToReadIsNoDoubtForEver) {
  start();
  send(range(0, 10));
  settle();
  pipeline_->stop();
  // What a kill leaves out: that it ended in peace.
  warehouse("ALTER TABLE tidemark.cuts DELETE WHERE state = 'stopped' SETTINGS mutations_sync = 2");
  start();
  settle();
  EXPECT_EQ(ask("SELECT count() FROM bronze.app_events"), "10");
}

TEST_F(EventPipelineTest, DuplicatesMakeNoChangeRows) {
  start({"app_events"});
  warehouse("CREATE DATABASE witness");
  warehouse(
      "CREATE TABLE witness.sums (k UInt8, rows Int64, total Int64) ENGINE = SummingMergeTree ORDER BY k "
      "SETTINGS non_replicated_deduplication_window = 1000");
  warehouse(
      "CREATE MATERIALIZED VIEW witness.view TO witness.sums AS SELECT 1 AS k, sum(_sign) AS rows, "
      "sum(_sign * JSONExtractInt(properties, 'n')) AS total FROM bronze.app_events__changes GROUP BY k");
  for (int round = 0; round < 5; ++round) {
    send(range(round * 10, round * 10 + 50));
    settle();
    if (round == 2) {
      pipeline_->stop();
      start({"app_events"});
    }
  }
  EXPECT_EQ(ask("SELECT sum(rows), sum(total) FROM witness.sums"), fmt::format("90\t{}", 89 * 90 / 2));
}

TEST_F(EventPipelineTest, RefusedItemsAndDamagedRecordsAreInQuarantine) {
  start();
  EventRecordWriter record(system_clock().wall_micros(), "web");
  record.refuse("no good", "the bytes");
  give(std::move(record));
  send({1});
  send({2});
  send({3});
  settle();
  EXPECT_EQ(ask("SELECT table, reason, bytes FROM tidemark.quarantine FINAL"),
            "app_events\tno good\tthe bytes");
  EXPECT_EQ(pipeline_->status().tables[0].quarantined, 1u);
  pipeline_.reset();
  // Somebody damages what is not in the warehouse yet.
  warehouse("TRUNCATE TABLE bronze.app_events");
  warehouse("TRUNCATE TABLE tidemark.cuts");
  warehouse("TRUNCATE TABLE tidemark.sources");
  std::filesystem::path file = source_.spool / "0000000000000000.spool";
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(stream), {});
  stream.seekp(static_cast<std::streamoff>(bytes.find("\"n\":2")));
  stream << 'X';
  stream.close();
  start();
  settle();
  EXPECT_EQ(ask("SELECT groupArray(message_id) FROM (SELECT * FROM bronze.app_events ORDER BY message_id)"),
            "['m1','m3']");
  EXPECT_EQ(ask("SELECT count(), countIf(position(bytes, 'Xn\":2') > 0) FROM tidemark.quarantine FINAL"),
            "2\t1");
}

TEST_F(EventPipelineTest, ASpoolThatIsLostOrOldLosesNothingThatWasTaken) {
  start();
  send(range(0, 10));
  settle();
  pipeline_.reset();
  std::filesystem::rename(source_.spool, directory_.path() / "old");
  start();
  send(range(5, 20));
  settle();
  EXPECT_EQ(pipeline_->status().epoch, 2u);
  EXPECT_EQ(ask("SELECT count(), uniqExact(message_id) FROM bronze.app_events"), "20\t20");
  pipeline_.reset();
  std::filesystem::remove_all(source_.spool);
  std::filesystem::rename(directory_.path() / "old", source_.spool);
  start();
  send(range(15, 30));
  settle();
  EXPECT_EQ(pipeline_->status().epoch, 3u);
  EXPECT_EQ(ask("SELECT count(), uniqExact(message_id) FROM bronze.app_events"), "30\t30");
}

}  // namespace
}  // namespace tidemark::ingest
