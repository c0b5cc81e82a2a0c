// Memberships kept by touched entities and by the clock, against a real ClickHouse; after every step they
// equal what the oracle says of everybody.
#include "segments/evaluator.h"

#include "segments/membership_proof.h"
#include "segments/test_segments.h"

#include <random>
#include <thread>

namespace tidemark::segments {
namespace {

class EvaluatorTest : public SegmentsTest {
 protected:
  EvaluatorTest()
      : pool_(clickhouse::TestServer::shared().endpoint(), 6),
        clock_(system_clock().wall_micros() / day_us * day_us) {}

  void SetUp() override {
    SegmentsTest::SetUp();
    begin();
  }

  // As after a restart: nothing is known but what the warehouse has.
  void begin(size_t alone_entities_min = limits::alone_entities_min) {
    evaluator_ = std::make_unique<Evaluator>(pool_, clock_,
                                             EvaluatorHooks{.alone_entities_min = alone_entities_min}, stop_);
    auto prepared = evaluator_->prepare();
    ASSERT_TRUE(prepared) << prepared.error().describe();
  }

  Definition named(const std::string& name, const std::string& where, const std::string& more = "") {
    auto read = definition("segment: " + name + "\nentity: bronze.people\nnotify: [hook]\n" + more +
                           "where: " + where + "\n");
    return read ? std::move(*read) : Definition{};
  }

  void replace(const std::vector<Definition>& definitions) {
    std::vector<Problem> problems;
    current_ = definitions;
    auto done = evaluator_->replace(definitions, options_, problems);
    ASSERT_TRUE(done) << done.error().describe();
    for (const auto& problem : problems) ADD_FAILURE() << problem.message << " " << problem.remedy;
  }

  void touched(const std::vector<std::string>& entities) {
    for (const auto& group : evaluator_->groups()) {
      auto done = evaluator_->touched(group, entities, "event");
      ASSERT_TRUE(done) << done.error().describe();
    }
  }

  // What was written since, "high+ann event" a row.
  std::vector<std::string> news() {
    auto block =
        client_.query(fmt::format("SELECT seq, concat(segment, if(entered = 1, '+', '-'), entity, ' ', "
                                  "cause, if(empty(destinations), ' quietly', "
                                  "'')) FROM tidemark.segment_changes WHERE seq > {} ORDER BY seq",
                                  seen_));
    std::vector<std::string> found;
    EXPECT_TRUE(block) << block.error().describe();
    for (size_t row = 0; block && row < block->rows(); ++row) {
      seen_ = block->columns[0].get<uint64_t>(row);
      found.emplace_back(block->columns[1].text(row));
    }
    return found;
  }

  void proven(const std::string& when) {
    auto settled = evaluator_->settle();
    ASSERT_TRUE(settled) << settled.error().describe();
    std::vector<Problem> problems;
    CompileOptions options = options_;
    options.lookup = [this](const std::string& name) -> const Definition* {
      for (const auto& definition : current_)
        if (definition.name == name) return &definition;
      return nullptr;
    };
    auto proofs = prove_memberships(client_, current_, options, clock_.wall_micros(), problems);
    ASSERT_TRUE(proofs) << proofs.error().describe();
    ASSERT_TRUE(problems.empty());
    ASSERT_EQ(proofs->size(), current_.size());
    for (const auto& proof : *proofs)
      EXPECT_EQ(proof.missing + proof.extra, 0u)
          << when << ": " << proof.segment << ": " << fmt::format("{}", fmt::join(proof.examples, ", "));
  }

  void advance(int64_t micros) { clock_.advance(micros); }

  // Until the clock's thread has written this many changes more.
  std::vector<std::string> news_of_the_clock(size_t count) {
    std::vector<std::string> all;
    for (int attempt = 0; attempt < 600 && all.size() < count; ++attempt) {
      for (auto& one : news()) all.push_back(std::move(one));
      if (all.size() < count) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return all;
  }

  clickhouse::ClientPool pool_;
  ManualClock clock_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Evaluator> evaluator_;
  std::vector<Definition> current_;
  uint64_t seen_ = 0;
};

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST_F(EvaluatorTest, EntriesAndExitsAreWrittenOnce) {
  person("ann", R"({"city": "Oslo"})");
  person("bob", R"({"city": "Rome"})");
  replace({named("oslo", "{property: city, eq: Oslo}")});
  EXPECT_THAT(news(), ElementsAre("oslo+ann backfill quietly"));
  touched({"ann", "bob", "nobody"});
  EXPECT_THAT(news(), IsEmpty());
  person("bob", R"({"city": "Oslo"})");
  person("ann", R"({"city": "Rome"})");
  touched({"ann", "bob", "ann"});
  EXPECT_THAT(news(), UnorderedElementsAre("oslo-ann event", "oslo+bob event"));
  begin();
  replace({named("oslo", "{property: city, eq: Oslo}")});
  touched({"ann", "bob"});
  EXPECT_THAT(news(), IsEmpty()) << "a restart changes nothing";
  // Deleted: leaves.
  add("people", {"'bob', NULL, NULL, 0, NULL, NULL, [], NULL, '{}'"});
  run("ALTER TABLE bronze.people UPDATE _deleted = 1 WHERE id = 'bob' AND _version = " +
      std::to_string(version_) + " SETTINGS mutations_sync = 2");
  touched({"bob"});
  EXPECT_THAT(news(), ElementsAre("oslo-bob delete"));
  auto intervals = client_.query_text(
      "SELECT entity, entered_by, exited_by, exited_at >= entered_at FROM tidemark.segment_intervals ORDER "
      "BY seq");
  ASSERT_TRUE(intervals) << intervals.error().describe();
  EXPECT_EQ(*intervals, "ann\tbackfill\tevent\t1\nbob\tevent\tdelete\t1\n");
  proven("at the end");
}

TEST_F(EvaluatorTest, TheClockMovesPeopleBothWays) {
  person("ann");
  person("bob");
  int64_t now = clock_.wall_micros();
  event("ann", "order", now - 2 * day_us);
  event("bob", "order", now - day_us);
  std::thread timers;
  replace({named("active", "{event: order, within: 3d}"),
           named("lapsed", "{event: order, count: 0, within: 3d}")});
  EXPECT_THAT(news(), UnorderedElementsAre("active+ann backfill quietly", "active+bob backfill quietly"));
  timers = std::thread([&] { evaluator_->run_timers(); });
  advance(day_us - second_us);
  evaluator_->touched(evaluator_->groups().front(), {"bob"}, "event");
  EXPECT_THAT(news(), IsEmpty());
  advance(second_us);
  EXPECT_THAT(news_of_the_clock(2), UnorderedElementsAre("active-ann time", "lapsed+ann time"));
  // To the microsecond, whenever it was looked at.
  auto exact =
      client_.query_text(fmt::format("SELECT count() FROM tidemark.segment_changes WHERE cause = 'time' AND "
                                     "toUnixTimestamp64Micro(happened_at) = {}",
                                     now + day_us));
  ASSERT_TRUE(exact) << exact.error().describe();
  EXPECT_EQ(*exact, "2\n");
  evaluator_->stop();
  timers.join();
  // While nothing runs time passes; a new start looks at what was due.
  advance(day_us);
  begin();
  replace({named("active", "{event: order, within: 3d}"),
           named("lapsed", "{event: order, count: 0, within: 3d}")});
  EXPECT_THAT(news(), IsEmpty());
  timers = std::thread([&] { evaluator_->run_timers(); });
  EXPECT_THAT(news_of_the_clock(2), UnorderedElementsAre("active-bob time", "lapsed+bob time"));
  evaluator_->stop();
  timers.join();
  proven("at the end");
}

TEST_F(EvaluatorTest, TimersOfALifeThatNeverLookedAreNotLost) {
  person("ann");
  auto quiet = named("quiet", "{event: order, count: 0, within: 4s}", "initial: all\n");
  replace({quiet});
  EXPECT_THAT(news(), ElementsAre("quiet+ann backfill"));
  event("ann", "order", clock_.wall_micros());
  touched({"ann"});
  EXPECT_THAT(news(), ElementsAre("quiet-ann event"));
  // Killed here; nobody has looked at a timer yet.
  advance(60 * second_us);
  begin();
  replace({quiet});
  auto settled = evaluator_->settle();
  ASSERT_TRUE(settled) << settled.error().describe();
  EXPECT_THAT(news(), ElementsAre("quiet+ann time"));
}

// Three whose windows end together are asked for that segment alone; what else is due later is not forgotten.
TEST_F(EvaluatorTest, WhereOneSegmentIsDueItAloneIsAsked) {
  begin(3);
  replace({named("pinged", "{event: ping, within: 1h}"), named("bought", "{event: order, within: 2h}"),
           named("idle", "{event: order, count: 0, within: 3h}")});
  int64_t now = clock_.wall_micros(), hour = 3'600 * second_us;
  std::vector<std::string> people = {"ann", "bob", "cy", "dee"};
  for (const auto& one : people) {
    person(one);
    event(one, "ping", now);
  }
  event("bob", "order", now);
  // Both of dee's windows end at one instant.
  event("dee", "order", now - hour);
  touched(people);
  news();
  // What has come since and was not told: who asks for everything would find it.
  event("ann", "order", now);
  advance(hour);
  auto looked = evaluator_->settle();
  ASSERT_TRUE(looked) << looked.error().describe();
  EXPECT_THAT(news(), UnorderedElementsAre("pinged-ann time", "pinged-bob time", "pinged-cy time",
                                           "pinged-dee time", "bought-dee time"));
  touched({"ann"});
  EXPECT_THAT(news(), UnorderedElementsAre("bought+ann event", "idle-ann event"));
  proven("after an hour");
  advance(hour);
  proven("after two hours");
  EXPECT_THAT(news(), UnorderedElementsAre("bought-bob time", "bought-ann time", "idle+dee time"));
  advance(hour);
  proven("after three hours");
  EXPECT_THAT(news(), UnorderedElementsAre("idle+bob time", "idle+ann time"));
}

TEST_F(EvaluatorTest, NotificationsSayWhoAndSendPropertiesAlong) {
  person("ann", R"({"city": "Oslo", "address": {"zip": "0150"}, "gone": null})");
  auto oslo = named("oslo", "{property: city, eq: Oslo}",
                    "initial: all\nproperties: [visits, city, address.zip, gone]\n");
  replace({oslo});
  auto data = client_.query_text(
      "SELECT JSONExtractString(data, 'segment'), JSONExtractRaw(data, 'ids'), JSONExtractRaw(data, "
      "'properties'), "
      "JSONExtractUInt(data, 'seq') = seq, JSONExtractUInt(data, 'prev_seq'), JSONExtractString(data, "
      "'cause') FROM "
      "tidemark.segment_changes FORMAT TSVRaw");
  ASSERT_TRUE(data) << data.error().describe();
  EXPECT_EQ(
      *data,
      "oslo\t{\"id\":\"ann\"}\t{\"visits\":\"0\",\"city\":\"Oslo\",\"address.zip\":\"0150\",\"gone\":null}"
      "\t1\t0\tbackfill\n");
  std::vector<Problem> problems;
  oslo.properties = {"visit"};
  ASSERT_TRUE(evaluator_->replace({oslo}, options_, problems));
  EXPECT_THAT(problems, IsEmpty()) << "a key of the properties that nobody has yet is not a mistake";
}

TEST_F(EvaluatorTest, NobodyIsToldTwiceWithinTheCooldown) {
  person("ann");
  replace({named("oslo", "{property: city, eq: Oslo}", "cooldown: 1h\n")});
  auto moves = [&](const std::string& city) {
    person("ann", fmt::format(R"({{"city": "{}"}})", city));
    touched({"ann"});
    advance(60 * second_us);
    return news();
  };
  EXPECT_THAT(moves("Oslo"), ElementsAre("oslo+ann event"));
  EXPECT_THAT(moves("Rome"), ElementsAre("oslo-ann event"));
  EXPECT_THAT(moves("Oslo"), ElementsAre("oslo+ann event quietly"));
  EXPECT_THAT(moves("Rome"), ElementsAre("oslo-ann event quietly"));
  advance(60 * 60 * second_us);
  EXPECT_THAT(moves("Oslo"), ElementsAre("oslo+ann event"));
  EXPECT_THAT(moves("Rome"), ElementsAre("oslo-ann event"));
}

TEST_F(EvaluatorTest, AnEditIsADiff) {
  for (int visits : {3, 4, 5})
    add("people", {fmt::format("'v{0}', NULL, NULL, {0}, NULL, NULL, [], NULL, '{{}}'", visits)});
  replace({named("often", "{property: visits, gte: 3}", "initial: all\n")});
  EXPECT_THAT(news(), UnorderedElementsAre("often+v3 backfill", "often+v4 backfill", "often+v5 backfill"));
  replace({named("often", "{property: visits, gte: 5}", "initial: all\n")});
  EXPECT_THAT(news(), UnorderedElementsAre("often-v3 edit", "often-v4 edit"));
  // Another spelling is no edit; another segment that names it follows its edits.
  replace({named("often", "{not: {property: visits, lt: 5}}"), named("rest", "{not_member: often}")});
  EXPECT_THAT(news(), UnorderedElementsAre("rest+v3 backfill quietly", "rest+v4 backfill quietly"));
  replace({named("often", "{property: visits, gte: 4}"), named("rest", "{not_member: often}")});
  EXPECT_THAT(news(), UnorderedElementsAre("often+v4 edit", "rest-v4 edit"));
  replace({named("rest", "{property: visits, lt: 4}")});
  EXPECT_THAT(news(), UnorderedElementsAre("often-v4 edit quietly", "often-v5 edit quietly"));
  proven("at the end");
}

TEST_F(EvaluatorTest, TouchedEntitiesAndTheClockAgreeWithTheOracle) {
  const char* given = std::getenv("TIDEMARK_SEED");
  uint64_t seed = given != nullptr               ? std::strtoull(given, nullptr, 10)
                  : std::getenv("CI") != nullptr ? 1
                                                 : std::random_device{}();
  fmt::print("TIDEMARK_SEED={}\n", seed);
  std::mt19937_64 random(seed);
  auto below = [&](uint64_t bound) { return random() % bound; };
  const std::vector<std::string> conditions = {
      "{event: order, within: 2h}",
      "{event: order, count: {gte: 2}, within: 5h}",
      "{event: order, count: 0, within: 3h}",
      "{all: [{property: city, eq: Oslo}, {event: order, count: {lte: 1}, within: 4h}]}",
      "{sequence: [{event: order}, {event: refund}], within: 2h}",
      "{sequence: [{event: order}, {no_event: refund}], within: 2h}",
      "{event: [order, refund], sum: {property: amount, gte: 50}, within: 6h}",
      "{any: [{property: city, not_exists: true}, {event: order, last: {amount: {gt: 40}}}]}",
  };
  std::vector<Definition> definitions;
  for (size_t index = 0; index < conditions.size(); ++index)
    definitions.push_back(named(fmt::format("s{}", index), conditions[index]));
  if (HasFailure()) return;
  auto begin_anew = [&] { begin(below(2) == 0 ? 1 : limits::alone_entities_min); };
  begin_anew();
  replace(definitions);
  for (int step = 0; step < 25; ++step) {
    std::set<std::string> who;
    for (uint64_t change = 1 + below(4); change > 0; --change) {
      std::string user = fmt::format("u{}", below(6));
      who.insert(user);
      int64_t when = clock_.wall_micros() + (static_cast<int64_t>(below(300)) - 240) * 60 * second_us;
      if (below(3) == 0)
        person(user, below(2) == 0 ? R"({"city": "Oslo"})" : R"({"city": ""})");
      else
        event(user, below(3) == 0 ? "refund" : "order", when, fmt::format(R"({{"amount": {}}})", below(60)));
    }
    touched({who.begin(), who.end()});
    proven(fmt::format("seed {}, step {}", seed, step));
    advance(static_cast<int64_t>(below(90)) * 60 * second_us);
    if (below(8) == 0) {
      begin_anew();
      replace(definitions);
    }
    proven(fmt::format("seed {}, after step {}", seed, step));
    if (HasFailure()) return;
  }
  EXPECT_GT(news().size(), 10u);
}

}  // namespace
}  // namespace tidemark::segments
