// The outbox, the books and the deliveries together: a real ClickHouse, receivers in this process, and lives
// that end without a word.
#include "notify/delivery_service.h"

#include "clickhouse/test_server.h"
#include "notify/notify_limits.h"
#include "notify/test_receiver.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <set>

namespace tidemark::notify {
namespace {

using clickhouse::TestServer;
using testing::HasSubstr;
namespace json = boost::json;

constexpr std::chrono::seconds deadline{60};

class DeliveryServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* table : {"outbox", "deliveries", "delivery_positions"})
      sql(fmt::format("DROP TABLE IF EXISTS tidemark.{} SYNC", table));
    pool_ = std::make_unique<clickhouse::ClientPool>(TestServer::shared().endpoint());
    outbox_ = std::make_unique<Outbox>(*pool_);
    ASSERT_TRUE(outbox_->prepare());
  }

  void sql(const std::string& text) {
    auto done = TestServer::shared().client().execute(text);
    ASSERT_TRUE(done) << done.error().describe();
  }
  std::string value(const std::string& query) {
    auto text = TestServer::shared().client().query_text(query);
    return text ? text->substr(0, text->rfind('\n')) : text.error().describe();
  }

  static config::Destination webhook(const std::string& name, const std::string& url, size_t batch = 0) {
    config::WebhookDestination to{.url = Secret(url), .shown = url};
    to.allow_private.all = true;
    to.timeout_seconds = 2;
    config::Destination destination{.name = name, .to = to, .concurrency = 4};
    if (batch > 0) {
      destination.batch = batch;
      destination.batches = true;
    }
    return destination;
  }

  std::unique_ptr<DeliveryService> service(std::vector<config::Destination> destinations) {
    auto made = std::make_unique<DeliveryService>(TestServer::shared().endpoint(), std::move(destinations));
    auto prepared = made->prepare();
    EXPECT_TRUE(prepared) << prepared.error().describe();
    made->start();
    return made;
  }

  // `count` notifications from `first` on, over so many entities.
  static std::vector<OutboxRow> rows_of(uint64_t first, size_t count, size_t entities,
                                        const std::vector<std::string>& destinations) {
    std::vector<OutboxRow> rows;
    for (uint64_t seq = first; seq < first + count; ++seq)
      rows.push_back({{.seq = seq,
                       .kind = seq % 2 == 1 ? "segment.entered" : "segment.exited",
                       .subject = "vip",
                       .subject_version = "1",
                       .entity = "entity " + std::to_string(seq % entities),
                       .cause = "event",
                       .happened_at_ms = 1'777'803'630'123,
                       .data = fmt::format(R"({{"seq":{}}})", seq)},
                      destinations});
    return rows;
  }

  void append(uint64_t first, size_t count, size_t entities, const std::vector<std::string>& destinations) {
    const std::atomic<bool> never{false};
    auto done = outbox_->append(rows_of(first, count, entities, destinations), fmt::format("test:{}", first),
                                {}, never);
    ASSERT_TRUE(done) << done.error().describe();
  }

  static uint64_t seq_of(const ReceivedRequest& request) {
    return json::parse(request.body).at("data").at("seq").to_number<uint64_t>();
  }

  static void eventually(const std::string& what, const std::function<bool()>& condition) {
    auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << what;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  // Each once after leaving out repeated ids, and in order for each entity.
  static void expect_whole(const std::vector<ReceivedRequest>& requests, uint64_t count, size_t entities) {
    std::set<std::string> ids;
    std::map<uint64_t, uint64_t> last;
    std::set<uint64_t> seen;
    for (auto request : requests) {
      if (!ids.insert(request.headers["webhook-id"]).second) continue;
      uint64_t seq = seq_of(request);
      seen.insert(seq);
      EXPECT_GT(seq, last[seq % entities]);
      last[seq % entities] = seq;
    }
    EXPECT_EQ(seen.size(), count);
  }

  DestinationFacts facts(DeliveryService& service, const std::string& name) {
    for (auto& one : service.facts())
      if (one.destination == name) return one;
    return {};
  }

  std::unique_ptr<clickhouse::ClientPool> pool_;
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(DeliveryServiceTest, TheOutboxKeepsABlockOnceAndReadsItInOrder) {
  append(1, 10, 3, {"a", "b"});
  append(1, 10, 3, {"a", "b"});  // the same token
  append(11, 2, 3, {"b"});
  EXPECT_EQ(value("SELECT count() FROM tidemark.outbox"), "12");
  EXPECT_EQ(*outbox_->newest(), 12U);
  DeliveryStore store(*pool_);
  ASSERT_TRUE(store.prepare());
  auto page = outbox_->read("a", 2, 12, true);
  ASSERT_TRUE(page) << page.error().describe();
  EXPECT_EQ(page->rows.size(), 8U);
  EXPECT_EQ(page->rows[0].seq, 3U);
  EXPECT_EQ(page->rows[0].entity, "entity 0");
  EXPECT_EQ(page->rows[0].happened_at_ms, 1'777'803'630'123);
  EXPECT_EQ(page->complete_to, 12U);
}

TEST_F(DeliveryServiceTest, EverythingArrivesInOrderAndIsWrittenDown) {
  TestReceiver receiver;
  auto running = service({webhook("crm", receiver.url())});
  append(1, 500, 20, {"crm", "nobody"});
  running->wake();
  ASSERT_TRUE(receiver.wait_for(500, deadline));
  append(501, 100, 20, {"crm"});  // found by looking
  ASSERT_TRUE(receiver.wait_for(600, deadline));
  eventually("written down", [&] {
    return value("SELECT count() FROM tidemark.deliveries FINAL WHERE state = 'delivered'") == "600";
  });
  eventually("counted", [&] { return facts(*running, "crm").delivered == 600; });
  expect_whole(receiver.requests(), 600, 20);
  EXPECT_EQ(receiver.requests().size(), 600U);
  running.reset();
  EXPECT_EQ(value("SELECT position FROM tidemark.delivery_positions FINAL"), "600");
  // Nothing is sent again by another life.
  running = service({webhook("crm", receiver.url())});
  append(601, 1, 20, {"crm"});
  ASSERT_TRUE(receiver.wait_for(601, deadline));
  EXPECT_EQ(receiver.requests().size(), 601U);
}

TEST_F(DeliveryServiceTest, WhatWasJustWrittenIsNotReadBack) {
  TestReceiver receiver;
  auto running = service({webhook("crm", receiver.url())});
  auto give = [&](uint64_t after, uint64_t to, size_t rows) {
    Outbox::News news;
    news.after = after;
    news.complete_to = to;
    if (rows > 0) news.rows = rows_of(to - rows + 1, rows, 3, {"crm"});
    running->take(std::move(news));
  };
  append(1, 10, 3, {"crm"});
  running->wake();
  ASSERT_TRUE(receiver.wait_for(10, deadline));
  // In no table: so they were not read.
  give(10, 20, 10);
  ASSERT_TRUE(receiver.wait_for(20, deadline));
  // Others have written in between: everything is read, in order.
  append(21, 10, 3, {"crm"});
  give(25, 30, 5);
  ASSERT_TRUE(receiver.wait_for(30, deadline));
  // Numbers that are nobody's notification are no gap, whoever finds that.
  give(30, 40, 0);
  give(40, 42, 2);
  ASSERT_TRUE(receiver.wait_for(32, deadline));
  append(43, 1, 3, {"crm"});
  give(45, 50, 0);
  ASSERT_TRUE(receiver.wait_for(33, deadline));
  eventually("it is known that there is nothing up to 50", [&, to = uint64_t{50}]() mutable {
    give(to, to + 1, 1);
    ++to;
    return receiver.requests().size() > 33;
  });
  std::vector<ReceivedRequest> requests = receiver.requests();
  requests.resize(33);
  expect_whole(requests, 33, 3);
}

TEST_F(DeliveryServiceTest, OneEntityThatFailsHoldsUpNobody) {
  std::atomic<bool> broken{true};
  TestReceiver receiver([&](const ReceivedRequest& request) {
    return ScriptedAnswer{.status = broken && seq_of(request) % 10 == 3 ? 500 : 200, .body = "oh no"};
  });
  auto running = service({webhook("crm", receiver.url())});
  append(1, 200, 10, {"crm"});
  running->wake();
  eventually("the others", [&] { return facts(*running, "crm").delivered == 180; });
  EXPECT_EQ(facts(*running, "crm").waiting_entities, 1U);
  EXPECT_EQ(facts(*running, "crm").in_hand, 0U);
  eventually("pending", [&] { return facts(*running, "crm").pending == 20; });
  EXPECT_EQ(facts(*running, "crm").last_error, "500 oh no");
  // Held over a restart, with its count of tries.
  running.reset();
  running = service({webhook("crm", receiver.url())});
  eventually("held again", [&] { return facts(*running, "crm").waiting_entities == 1; });
  broken = false;
  ASSERT_TRUE(running->resume("crm"));
  eventually("all", [&] { return facts(*running, "crm").pending == 0; });
  eventually("all written", [&] {
    return value(
               "SELECT count(), max(attempts) >= 2 FROM tidemark.deliveries FINAL WHERE state = "
               "'delivered'") == "200\t1";
  });
  auto requests = receiver.requests();
  std::erase_if(requests, [&](const auto& request) { return seq_of(request) % 10 == 3; });
  expect_whole(requests, 180, 10);
  // Of the one that failed: its own order, after the failure.
  std::vector<uint64_t> order;
  for (const auto& request : receiver.requests())
    if (seq_of(request) % 10 == 3 && (order.empty() || order.back() != seq_of(request)))
      order.push_back(seq_of(request));
  EXPECT_EQ(order.size(), 20U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(DeliveryServiceTest, GoneDisablesUntilSomebodyResumes) {
  std::atomic<bool> gone{true};
  TestReceiver receiver([&](const ReceivedRequest&) { return ScriptedAnswer{.status = gone ? 410 : 200}; });
  auto running = service({webhook("crm", receiver.url())});
  append(1, 50, 50, {"crm"});
  running->wake();
  eventually("disabled", [&] { return facts(*running, "crm").state == "disabled"; });
  EXPECT_THAT(facts(*running, "crm").reason, HasSubstr("410"));
  eventually("written down",
             [&] { return value("SELECT disabled FROM tidemark.delivery_positions FINAL") == "1"; });
  running.reset();
  size_t asked = receiver.requests().size();
  running = service({webhook("crm", receiver.url())});
  eventually("still disabled", [&] { return facts(*running, "crm").state == "disabled"; });
  eventually("pending", [&] { return facts(*running, "crm").pending == 50; });
  EXPECT_EQ(receiver.requests().size(), asked);
  gone = false;
  ASSERT_TRUE(running->resume("crm"));
  eventually("all", [&] { return facts(*running, "crm").delivered == 50; });
}

TEST_F(DeliveryServiceTest, TooManyRequestsSlowTheDestinationDown) {
  std::atomic<int> refused{0};
  TestReceiver receiver([&](const ReceivedRequest&) {
    return refused++ == 0 ? ScriptedAnswer{.status = 429, .headers = "Retry-After: 2\r\n"} : ScriptedAnswer{};
  });
  config::Destination slow = webhook("crm", receiver.url());
  slow.concurrency = 1;
  auto running = service({slow});
  append(1, 1, 1, {"crm"});
  running->wake();
  eventually("slowed", [&] { return facts(*running, "crm").state == "slowed"; });
  auto begin = std::chrono::steady_clock::now();
  append(2, 1, 5, {"crm"});  // of another entity
  running->wake();
  eventually("both", [&] { return facts(*running, "crm").delivered == 2; });
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST_F(DeliveryServiceTest, DeadLettersAreListedRetriedAndDropped) {
  TestReceiver receiver;
  auto running = service({webhook("crm", receiver.url())});
  sql("INSERT INTO tidemark.outbox (seq, kind, subject, entity, happened_at, destinations, data) VALUES (1, "
      "'segment.entered', 'vip', 'a', now64(3), ['crm'], 'no json'), (2, 'segment.exited', 'vip', 'a', "
      "now64(3), ['crm'], '{\"seq\":2}'), (3, 'x', 'vip', 'b', now64(3), ['crm'], '[]')");
  running->wake();
  eventually("one arrives", [&] { return facts(*running, "crm").delivered == 1; });
  auto dead = [&] {
    auto letters = running->dead_letters("crm", 10);
    EXPECT_TRUE(letters) << letters.error().describe();
    return letters ? *letters : std::vector<DeadLetter>{};
  };
  eventually("two die", [&] { return dead().size() == 2; });
  EXPECT_EQ(dead()[0].subject, "vip");
  EXPECT_THAT(dead()[0].answer, HasSubstr("no JSON"));
  // Dropped is gone; mended and sent again arrives with the id it had.
  EXPECT_EQ(*running->drop("crm", {.from = 3, .to = 3, .dead_only = true}), 1U);
  EXPECT_EQ(dead().size(), 1U);
  sql("ALTER TABLE tidemark.outbox UPDATE data = '{\"seq\":1}' WHERE seq = 1 SETTINGS mutations_sync = 2");
  EXPECT_EQ(*running->replay("crm", {.from = 1, .to = 1, .dead_only = true}), 1U);
  ASSERT_TRUE(receiver.wait_for(2, deadline));
  EXPECT_EQ(seq_of(receiver.requests()[1]), 1U);
  eventually("none is left", [&] { return dead().empty(); });
  eventually("nothing waits", [&] { return facts(*running, "crm").pending == 0; });
  EXPECT_FALSE(running->replay("crn", {}));
}

TEST_F(DeliveryServiceTest, AReplayKeepsIdsAndOrder) {
  TestReceiver receiver;
  auto running = service({webhook("crm", receiver.url())});
  append(1, 60, 6, {"crm"});
  running->wake();
  eventually("all", [&] { return facts(*running, "crm").delivered == 60; });
  auto before = receiver.requests();
  auto replayed = running->replay("crm", {.from = 11, .to = 40});
  ASSERT_TRUE(replayed) << replayed.error().describe();
  EXPECT_EQ(*replayed, 30U);
  append(61, 6, 6, {"crm"});
  running->wake();
  ASSERT_TRUE(receiver.wait_for(96, deadline));
  eventually("written", [&] {
    return value("SELECT countIf(state = 'delivered') FROM tidemark.deliveries FINAL") == "66";
  });
  auto after = receiver.requests();
  ASSERT_EQ(after.size(), 96U);
  std::map<uint64_t, std::string> ids;
  for (auto& request : before) ids[seq_of(request)] = request.headers["webhook-id"];
  std::map<uint64_t, uint64_t> last;
  for (size_t index = 60; index < 96; ++index) {
    uint64_t seq = seq_of(after[index]);
    if (seq <= 60) {
      EXPECT_EQ(after[index].headers["webhook-id"], ids[seq]);
    }
    EXPECT_GT(seq, last[seq % 6]);
    last[seq % 6] = seq;
  }
  // The position did not go back, and another life has nothing to do.
  running.reset();
  running = service({webhook("crm", receiver.url())});
  append(67, 1, 6, {"crm"});
  ASSERT_TRUE(receiver.wait_for(97, deadline));
  EXPECT_EQ(receiver.requests().size(), 97U);
}

TEST_F(DeliveryServiceTest, BatchesGoTogether) {
  TestReceiver receiver;
  append(1, 1000, 30, {"crm"});
  auto running = service({webhook("crm", receiver.url(), 100)});
  eventually("all", [&] { return facts(*running, "crm").delivered == 1000; });
  EXPECT_LE(receiver.requests().size(), 60U);
  std::map<uint64_t, uint64_t> last;
  for (const auto& request : receiver.requests()) {
    json::value batch = json::parse(request.body);
    for (const auto& one : batch.at("data").as_array()) {
      uint64_t seq = one.at("data").at("seq").to_number<uint64_t>();
      EXPECT_GT(seq, last[seq % 30]);
      last[seq % 30] = seq;
    }
  }
}

TEST_F(DeliveryServiceTest, AFeedGoesOnWhereAListenerWas) {
  config::Destination feed{.name = "live", .to = config::FeedDestination{}, .batch = 100};
  auto running = service({feed});
  append(1, 20, 4, {"live"});
  running->wake();
  eventually("published", [&] { return facts(*running, "live").delivered == 20; });
  std::mutex mutex;
  std::vector<uint64_t> late, fresh;
  auto into = [&](std::vector<uint64_t>& list) {
    return Feed::Listener{[&](const std::vector<Feed::Item>& items) {
                            std::lock_guard lock(mutex);
                            for (const auto& item : items) list.push_back(item.seq);
                            return true;
                          },
                          [] {}};
  };
  auto live = running->feed("live");
  ASSERT_TRUE(live);
  std::vector<uint64_t> gone;
  ASSERT_TRUE((*live)->listen(15, into(late)));
  ASSERT_TRUE((*live)->listen(std::nullopt, into(fresh)));
  *(*live)->listen(std::nullopt, into(gone)).value() = true;
  EXPECT_EQ((*live)->listeners(), 2U);
  EXPECT_FALSE(running->feed("other"));
  append(21, 5, 4, {"live"});
  running->wake();
  eventually("both have the new ones", [&] {
    std::lock_guard lock(mutex);
    return late.size() == 10 && fresh.size() == 5;
  });
  EXPECT_EQ(late, (std::vector<uint64_t>{16, 17, 18, 19, 20, 21, 22, 23, 24, 25}));
  EXPECT_EQ(fresh, (std::vector<uint64_t>{21, 22, 23, 24, 25}));
  EXPECT_TRUE(gone.empty());
}

TEST_F(DeliveryServiceTest, ATestIsSentBesideTheQueue) {
  std::atomic<int> status{200};
  TestReceiver receiver([&](const ReceivedRequest&) { return ScriptedAnswer{.status = status}; });
  auto running = service({webhook("crm", receiver.url())});
  eventually("at work", [&] { return facts(*running, "crm").state == "delivering"; });
  auto outcome = running->test("crm");
  ASSERT_TRUE(outcome) << outcome.error().describe();
  EXPECT_EQ(outcome->result, Outcome::Result::delivered);
  EXPECT_EQ(json::parse(receiver.requests()[0].body).at("type").as_string(), "tidemark.test");
  status = 401;
  EXPECT_EQ(running->test("crm")->status, 401);
  auto unknown = running->test("crn");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean `crm`"));
}

TEST_F(DeliveryServiceTest, OnlyWhoLeadsDelivers) {
  TestReceiver receiver;
  std::atomic<bool> leads{false};
  DeliveryService running(TestServer::shared().endpoint(), {webhook("crm", receiver.url())},
                          [&] { return leads.load(); });
  ASSERT_TRUE(running.prepare());
  running.start();
  append(1, 5, 5, {"crm"});
  running.wake();
  eventually("elsewhere", [&] { return facts(running, "crm").state == "elsewhere"; });
  EXPECT_FALSE(running.resume("crm"));
  EXPECT_TRUE(receiver.requests().empty());
  leads = true;
  ASSERT_TRUE(receiver.wait_for(5, deadline));
}

TEST_F(DeliveryServiceTest, WhatIsOldAndSettledIsDeleted) {
  TestReceiver receiver;
  DeliveryStore store(*pool_);
  ASSERT_TRUE(store.prepare());
  append(1, 10, 10, {"crm"});
  sql("INSERT INTO tidemark.outbox (seq, entity, happened_at, destinations) VALUES (11, 'new', now64(3), "
      "['crm'])");
  // happened_at is of May 2026: old enough whenever this runs later than June.
  sql("ALTER TABLE tidemark.outbox UPDATE happened_at = now() - INTERVAL 31 DAY WHERE seq <= 10 SETTINGS "
      "mutations_sync = 2");
  std::vector<DeliveryRecord> records;
  for (uint64_t seq = 1; seq <= 9; ++seq)
    records.push_back({.seq = seq, .entity = "e", .state = DeliveryState::delivered});
  records[4].state = DeliveryState::dead;
  ASSERT_TRUE(store.write("crm", records));
  sql("ALTER TABLE tidemark.deliveries UPDATE at = now() - INTERVAL 31 DAY WHERE 1 SETTINGS mutations_sync = "
      "2");
  ASSERT_TRUE(outbox_->expire(8));
  ASSERT_TRUE(store.expire("crm", 8));
  eventually("both", [&] {
    return value("SELECT groupArray(seq) FROM (SELECT seq FROM tidemark.outbox ORDER BY seq)") ==
               "[9,10,11]" &&
           value("SELECT groupArray(seq) FROM (SELECT seq FROM tidemark.deliveries ORDER BY seq)") == "[5,9]";
  });
}

}  // namespace
}  // namespace tidemark::notify
