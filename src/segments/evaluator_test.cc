// Memberships kept by touched entities and by the clock, against a real ClickHouse: what is written when, and
// who is told. That they equal what the oracle says of everybody is tried in random_histories_test.cc.
#include "segments/evaluator.h"

#include "segments/test_memberships.h"

#include <thread>

namespace tidemark::segments {
namespace {

class EvaluatorTest : public SegmentsTest {
 protected:
  void SetUp() override {
    SegmentsTest::SetUp();
    begin();
  }

  void begin(size_t alone_entities_min = limits::alone_entities_min) { kept_.begin(alone_entities_min); }

  Definition named(const std::string& name, const std::string& where, const std::string& more = "") {
    auto read = definition("segment: " + name + "\nentity: bronze.people\nnotify: [hook]\n" + more +
                           "where: " + where + "\n");
    return read ? std::move(*read) : Definition{};
  }

  void replace(const std::vector<Definition>& definitions) {
    auto done = kept_.replace(definitions, options_);
    ASSERT_TRUE(done) << done.error().describe();
  }

  void touched(const std::vector<std::string>& entities) {
    auto done = kept_.touched(entities);
    ASSERT_TRUE(done) << done.error().describe();
  }

  void settle() {
    auto settled = evaluator_->settle();
    ASSERT_TRUE(settled) << settled.error().describe();
  }

  std::vector<std::string> news() { return kept_.news(); }

  void proven(const std::string& when) {
    settle();
    kept_.proven(options_, when);
  }

  void advance(int64_t micros) { clock_.advance(micros); }

  // Who was told of what since.
  std::vector<std::string> told() {
    auto block = client_.query(fmt::format(
        "SELECT seq, concat(segment, if(entered = 1, '+', '-'), entity) FROM (SELECT * FROM "
        "tidemark.segment_changes UNION ALL SELECT * FROM tidemark.segment_announcements) WHERE seq > {} AND "
        "notEmpty(destinations) ORDER BY seq",
        told_));
    std::vector<std::string> found;
    EXPECT_TRUE(block) << block.error().describe();
    for (size_t row = 0; block && row < block->rows(); ++row) {
      told_ = block->columns[0].get<uint64_t>(row);
      found.emplace_back(block->columns[1].text(row));
    }
    return found;
  }

  void moves(const std::string& who, const std::string& city) {
    person(who, fmt::format(R"({{"city": "{}"}})", city));
    touched({who});
  }

  // Until the clock's thread has written this many changes more.
  std::vector<std::string> news_of_the_clock(size_t count) {
    std::vector<std::string> all;
    for (int attempt = 0; attempt < 600 && all.size() < count; ++attempt) {
      for (auto& one : news()) all.push_back(std::move(one));
      if (all.size() < count) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return all;
  }

  KeptMemberships kept_{system_clock().wall_micros() / day_us * day_us};
  ManualClock& clock_ = kept_.clock;
  std::unique_ptr<Evaluator>& evaluator_ = kept_.evaluator;
  uint64_t told_ = 0;
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
  settle();
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
    this->moves("ann", city);
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

TEST_F(EvaluatorTest, EntriesAreToldOnceTheyAreOldEnough) {
  const int64_t hour = 3600 * second_us;
  person("old", R"({"city": "Oslo"})");
  const std::vector<Definition> oslo = {
      named("oslo", "{property: city, eq: Oslo}", "minimum_dwell: 1h\nproperties: [city]\n")};
  replace(oslo);
  // Not long enough: neither is told.
  moves("ann", "Oslo");
  advance(hour - second_us);
  settle();
  moves("ann", "Rome");
  advance(hour);
  settle();
  EXPECT_THAT(told(), IsEmpty());
  moves("ann", "Oslo");
  int64_t entered = clock_.wall_micros();
  advance(hour);
  settle();
  settle();
  begin();
  replace(oslo);
  touched({"ann", "old"});
  EXPECT_THAT(told(), ElementsAre("oslo+ann"));
  moves("ann", "Rome");
  EXPECT_THAT(told(), ElementsAre("oslo-ann"));
  auto data = client_.query_text(fmt::format(
      "SELECT toUnixTimestamp64Micro(happened_at) - {}, JSONExtractUInt(data, 'seq') = seq, "
      "JSONExtractRaw(data, 'properties'), JSONExtractString(data, 'cause'), (SELECT JSONExtractUInt(data, "
      "'prev_seq') FROM tidemark.segment_changes WHERE entered = 0 AND notEmpty(destinations)) = seq FROM "
      "tidemark.segment_announcements FORMAT TSVRaw",
      entered));
  ASSERT_TRUE(data) << data.error().describe();
  EXPECT_EQ(*data, fmt::format("{}\t1\t{{\"city\":\"Oslo\"}}\tevent\t1\n", hour))
      << "at the instant at which it was old enough; the exit names it";
  // Nobody looked meanwhile: what the interval says is told, and then its end.
  moves("bob", "Oslo");
  advance(3 * hour);
  moves("bob", "Rome");
  EXPECT_THAT(told(), ElementsAre("oslo+bob", "oslo-bob"));
  // Killed between the two.
  moves("bob", "Oslo");
  advance(3 * hour);
  kept_.failpoint = [](std::string_view point) -> Status {
    return point == "changes" ? fail(ErrorKind::dependency_down, "killed") : Status();
  };
  person("bob", R"({"city": "Rome"})");
  EXPECT_FALSE(kept_.touched({"bob"}));
  EXPECT_THAT(told(), ElementsAre("oslo+bob"));
  kept_.failpoint = {};
  begin();
  replace(oslo);
  touched({"bob"});
  EXPECT_THAT(told(), ElementsAre("oslo-bob"));
  // Who was in it from the start is told of nothing.
  moves("old", "Rome");
  EXPECT_THAT(told(), IsEmpty());
  // Longer by now, and shorter again.
  moves("ann", "Oslo");
  replace({named("oslo", "{property: city, eq: Oslo}", "minimum_dwell: 3h\n")});
  advance(2 * hour);
  settle();
  EXPECT_THAT(told(), IsEmpty());
  advance(hour);
  settle();
  EXPECT_THAT(told(), ElementsAre("oslo+ann"));
  proven("at the end");
}

TEST_F(EvaluatorTest, AMinimumDwellGoesWithACooldownAndWithFirstMembers) {
  const int64_t hour = 3600 * second_us;
  person("ann", R"({"city": "Oslo"})");
  replace({named("oslo", "{property: city, eq: Oslo}", "minimum_dwell: 1h\ncooldown: 5h\ninitial: all\n")});
  EXPECT_THAT(told(), IsEmpty());
  advance(hour);
  settle();
  EXPECT_THAT(told(), ElementsAre("oslo+ann"));
  moves("ann", "Rome");
  EXPECT_THAT(told(), ElementsAre("oslo-ann"));
  moves("ann", "Oslo");
  advance(2 * hour);
  settle();
  moves("ann", "Rome");
  EXPECT_THAT(told(), IsEmpty()) << "two hours after the first";
  moves("ann", "Oslo");
  advance(3 * hour);
  settle();
  EXPECT_THAT(told(), IsEmpty()) << "it was old enough three hours after the first";
  moves("ann", "Rome");
  moves("ann", "Oslo");
  advance(hour);
  settle();
  EXPECT_THAT(told(), ElementsAre("oslo+ann"));
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

// Their order as numbers is not that of their texts, by which memberships lie.
TEST_F(EvaluatorTest, EverybodyIsAskedInRangesOfNumbers) {
  auto product = [&](int id, const std::string& category, bool deleted = false) {
    add("products", {fmt::format("{}, '{}', '2026-01-01 00:00:00'", id, category)}, deleted);
  };
  auto books = [&](const std::string& category) {
    auto read = definition(
        "segment: books\nentity: bronze.products\nnotify: [hook]\ninitial: all\nwhere: {property: category, "
        "in: " +
        category + "}\n");
    return read ? std::move(*read) : Definition{};
  };
  for (int id : {-20, -3, 2, 9, 10, 11, 100, 1000}) product(id, id == 11 ? "tea" : "book");
  replace({books("[book]")});
  EXPECT_THAT(news(), UnorderedElementsAre("books+-20 backfill", "books+-3 backfill", "books+2 backfill",
                                           "books+9 backfill", "books+10 backfill", "books+100 backfill",
                                           "books+1000 backfill"));
  // Who is no more leaves in the range where it was.
  for (int id : {-20, 10, 1000}) product(id, "book", true);
  product(11, "book");
  kept_.slice = 2;
  replace({books("[book, none]")});
  EXPECT_THAT(news(), UnorderedElementsAre("books--20 delete", "books-10 delete", "books-1000 delete",
                                           "books+11 edit"));
  proven("at the end");
}

// Memberships of an entity are compared in words of 64 segments: around the ends of words nothing is mixed
// up.
TEST_F(EvaluatorTest, MoreSegmentsThanAWordHasBits) {
  auto visitor = [&](int visits, const std::string& who) {
    add("people", {fmt::format("'{}', NULL, NULL, {}, NULL, NULL, [], NULL, '{{}}'", who, visits)});
  };
  constexpr int count = 130;
  std::map<int, int> least;  // segment -> visits it takes
  for (int segment = 1; segment <= count; ++segment) least[segment] = segment;
  auto definitions = [&] {
    std::vector<Definition> all;
    for (auto [segment, visits] : least)
      all.push_back(
          named(fmt::format("s{:03}", segment), fmt::format("{{property: visits, gte: {}}}", visits)));
    return all;
  };
  size_t memberships = 0;
  for (int visits : {0, 1, 63, 64, 65, 127, 128, 129, 130, 200}) {
    visitor(visits, fmt::format("v{}", visits));
    memberships += static_cast<size_t>(std::min(visits, count));
  }
  replace(definitions());
  EXPECT_EQ(news().size(), memberships);
  visitor(66, "v63");
  visitor(127, "v129");
  touched({"v63", "v64", "v129"});
  EXPECT_THAT(news(), UnorderedElementsAre("s064+v63 event", "s065+v63 event", "s066+v63 event",
                                           "s128-v129 event", "s129-v129 event"));
  least[64] = 65;
  least[65] = 66;
  least[129] = 128;
  replace(definitions());
  EXPECT_THAT(news(), UnorderedElementsAre("s064-v64 edit", "s065-v65 edit", "s129+v128 edit"));
  proven("at the end");
}

}  // namespace
}  // namespace tidemark::segments
