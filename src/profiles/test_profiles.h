// For tests of profiles: a real ClickHouse with a table of events and one of customers as ingest makes them.
#pragma once

#include "clickhouse/test_server.h"
#include "config/yaml_reader.h"
#include "ingest/event_record.h"
#include "profiles/profile_files.h"
#include "profiles/profile_keeper.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::profiles {

using clickhouse::quote_string;

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

inline constexpr const char* usual = R"(
profiles: cdp.profiles
ids:
  - user_id
  - email
  - { name: anonymous_id, limit: 3 }
  - { name: device_id, limit: 2 }
blocked: [Test-Device]
)";
inline constexpr const char* with_customers = R"(
profiles: cdp.profiles
tables:
  - { table: customers, ids: { user_id: id, email: mail }, columns: [plan] }
)";

struct SentEvent {
  int64_t at = 0;
  std::string user, anonymous, email, device, type = "track", other_traits, name = "e", properties;
  std::string traits() const {
    if (!other_traits.empty()) return other_traits;
    return email.empty() ? "" : fmt::format(R"({{"email":"{}"}})", email);
  }
};

class ProfilesTest : public testing::Test {
 protected:
  ProfilesTest() : pool_(clickhouse::TestServer::shared().endpoint(), 6) {}

  void SetUp() override {
    for (const char* database : {"bronze", "tidemark"})
      run(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
    run("CREATE DATABASE bronze");
    ingest::CapturedTable events = ingest::capture(ingest::event_table("app_events"), true, false);
    events.order_by = {"user_id", "anonymous_id", "timestamp"};
    for (const auto& statement : ingest::create_statements(events)) run(statement);
    run("CREATE TABLE bronze.customers (id Int64, mail Nullable(String), plan String, _version UInt128, "
        "_deleted "
        "UInt8, _committed_at DateTime64(6, 'UTC'), _cut UInt64) ENGINE = ReplacingMergeTree(_version, "
        "_deleted) "
        "ORDER BY id");
  }

  void run(const std::string& sql) { ASSERT_OK(pool_.execute(sql)); }
  std::string ask(const std::string& sql) {
    auto text = pool_.lease()->query_text(sql);
    if (!text) return text.error().describe();
    while (text->ends_with("\n")) text->pop_back();
    return *text;
  }

  void open(const std::string& yaml) {
    config::Report report("");
    config::Environment environment(true);
    report.add_text("p.yaml", yaml);
    auto node = config::parse_yaml(report, "p.yaml", yaml);
    ASSERT_TRUE(node);
    auto definition = read_profiles({report, environment}, *node);
    auto errors = report.take_errors();
    ASSERT_TRUE(errors.empty()) << config::render(errors);
    keeper_ = std::make_unique<Keeper>(pool_, *definition, std::vector<std::string>{"app_events"}, stop_);
    ASSERT_OK(keeper_->prepare());
    if (keeper_->stale()) ASSERT_OK(keeper_->rebuild());
  }

  void send(uint64_t cut, const std::vector<SentEvent>& events) {
    std::string values;
    for (const auto& event : events) {
      values += fmt::format(
          "('m{}', '{}', {}, {}, {}, {}, {}, {}, fromUnixTimestamp64Micro({}, 'UTC'), {}, now64(6), {})",
          ++messages_, event.type, quote_string(event.name), quote_string(event.properties),
          quote_string(event.user), quote_string(event.anonymous), quote_string(event.traits()),
          quote_string(event.device.empty() ? ""
                                            : fmt::format(R"({{"device":{{"id":"{}"}}}})", event.device)),
          event.at, version(cut), cut);
    }
    run("INSERT INTO bronze.app_events (message_id, type, event, properties, user_id, anonymous_id, traits, "
        "context, "
        "timestamp, "
        "_version, _committed_at, _cut) VALUES " +
        values);
  }
  std::string version(uint64_t cut) const {
    return fmt::format("toUInt128('{}')", fmt::to_string(make_version(1, cut, 1)));
  }
  void customer(uint64_t cut, int64_t id, const std::string& mail, const std::string& plan,
                bool gone = false) {
    run(fmt::format("INSERT INTO bronze.customers VALUES ({}, {}, {}, {}, {}, now64(6), {})", id,
                    mail.empty() ? "NULL" : quote_string(mail), quote_string(plan), version(cut),
                    gone ? 1 : 0, cut));
  }
  void step(uint64_t cut, const std::vector<std::string>& tables = {"app_events"}) {
    ASSERT_OK(keeper_->step(cut, make_version(1, cut, ordinal_max), tables, [this](uint64_t step) -> Status {
      steps_.push_back(step);
      return follow_ ? follow_(step) : Status();
    }));
  }
  void proven(const std::string& when) {
    auto proof = keeper_->prove();
    ASSERT_OK(proof);
    EXPECT_TRUE(proof->good()) << when << ": " << proof->missing << " missing, " << proof->extra << " extra, "
                               << proof->different << " different\n"
                               << fmt::format("{}", fmt::join(proof->examples, "\n"));
  }
  // "a b|c": ids of each profile.
  std::string people() {
    return ask(
        "SELECT arrayStringConcat(arraySort(groupArray(ids)), '|') FROM (SELECT "
        "arrayStringConcat(arraySort(groupArray(id)), ' ') AS ids FROM bronze.cdp_profiles_ids__current "
        "GROUP BY "
        "profile_id)");
  }

  clickhouse::ClientPool pool_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Keeper> keeper_;
  std::vector<uint64_t> steps_;
  Keeper::Follow follow_;
  int messages_ = 0;
};

}  // namespace tidemark::profiles
