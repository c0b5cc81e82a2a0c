// Each kind of carrier against something real: receivers in this process, files, a Postgres server.
#include "notify/file_carrier.h"
#include "notify/mail_carrier.h"
#include "notify/notify_limits.h"
#include "notify/postgres_carrier.h"
#include "notify/slack_carrier.h"
#include "notify/standard_webhook.h"
#include "notify/test_receiver.h"
#include "notify/webhook_carrier.h"
#include "postgres/test_cluster.h"

#include <boost/json.hpp>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::notify {
namespace {

using testing::HasSubstr;
using testing::Not;
using Result = Outcome::Result;
namespace json = boost::json;

const std::atomic<bool> never{false};

Notification notification(uint64_t seq, const std::string& entity,
                          const std::string& kind = "segment.entered") {
  return {.seq = seq,
          .kind = kind,
          .subject = "vip",
          .subject_version = "1",
          .entity = entity,
          .cause = "event",
          .happened_at_ms = 1'777'803'630'123,
          .data = R"({"segment":"vip"})"};
}

WebhookOptions webhook(const std::string& url) {
  return {.destination = "crm",
          .url = Secret(url),
          .keys = {webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value()},
          .headers = {{"X-Api-Key", Secret("swordfish")}},
          .guard = AddressGuard(true, {}),
          .timeout = std::chrono::seconds(2)};
}

TEST(WebhookCarrier, SendsWhatTheStandardSays) {
  TestReceiver receiver;
  WebhookCarrier carrier(webhook(receiver.url()), never);
  Notification one = notification(7, "42");
  Outcome outcome = carrier.carry({one});
  EXPECT_EQ(outcome.result, Result::delivered) << outcome.answer;
  auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  auto& headers = requests[0].headers;
  EXPECT_EQ(headers["webhook-id"], message_id("crm", one));
  EXPECT_EQ(headers["content-type"], "application/json");
  EXPECT_EQ(headers["x-api-key"], "swordfish");
  int64_t at = std::stol(headers["webhook-timestamp"]);
  EXPECT_NEAR(static_cast<double>(at), static_cast<double>(time(nullptr)), 5);
  EXPECT_EQ(headers["webhook-signature"],
            webhook_signature(webhook("").keys, headers["webhook-id"], at, requests[0].body));
  EXPECT_EQ(requests[0].body, *payload(one));
  carrier.carry({one, notification(8, "43")});
  auto batch = json::parse(receiver.requests()[1].body).as_object();
  EXPECT_EQ(batch.at("type").as_string(), "batch");
  EXPECT_EQ(batch.at("data").as_array()[0].at("id").as_string(), message_id("crm", one));
}

TEST(WebhookCarrier, WhatAnswersMean) {
  ScriptedAnswer script;
  TestReceiver receiver([&](const ReceivedRequest&) { return script; });
  WebhookCarrier carrier(webhook(receiver.url()), never);
  auto outcome = [&](ScriptedAnswer answer) {
    script = std::move(answer);
    return carrier.carry({notification(1, "a")});
  };
  EXPECT_EQ(outcome({.status = 204}).result, Result::delivered);
  EXPECT_EQ(outcome({.status = 410}).result, Result::gone);
  for (int status : {300, 301, 302, 307, 308, 400, 401, 404, 500, 502}) {
    Outcome failed = outcome({.status = status, .headers = "Location: " + receiver.url() + "\r\n"});
    EXPECT_EQ(failed.result, Result::failed) << status;
    EXPECT_EQ(failed.status, status);
  }
  size_t before = receiver.requests().size();
  outcome({.status = 302, .headers = "Location: " + receiver.url() + "/elsewhere\r\n"});
  EXPECT_EQ(receiver.requests().size(), before + 1);
  Outcome slow = outcome({.status = 429, .headers = "Retry-After: 7\r\n"});
  EXPECT_TRUE(slow.slow_down);
  EXPECT_EQ(slow.retry_after_s, 7);
  EXPECT_EQ(outcome({.status = 503, .headers = "retry-after: 9\r\n"}).retry_after_s, 9);
  EXPECT_EQ(outcome({.reset = true}).result, Result::failed);
  EXPECT_EQ(outcome({.status = 200}).result, Result::delivered);  // a new connection
  // A receiver that repeats what it was sent does not make secrets public.
  Outcome leaking = outcome({.status = 400, .body = "bad key swordfish for " + receiver.url()});
  EXPECT_EQ(leaking.answer, "bad key *** for ***");
}

TEST(WebhookCarrier, AReceiverThatHangsTakesItsTimeAndNoMore) {
  TestReceiver receiver([](const ReceivedRequest&) { return ScriptedAnswer{.hang = true}; });
  WebhookCarrier carrier(webhook(receiver.url()), never);
  auto begin = std::chrono::steady_clock::now();
  Outcome outcome = carrier.carry({notification(1, "a")});
  EXPECT_EQ(outcome.result, Result::failed);
  EXPECT_THAT(outcome.answer, HasSubstr("no answer within 2 s"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1900));
}

TEST(WebhookCarrier, NobodyThere) {
  uint16_t port = 0;
  { port = TestReceiver().port(); }
  WebhookCarrier carrier(webhook(fmt::format("http://127.0.0.1:{}/?key=swordfish", port)), never);
  Outcome outcome = carrier.carry({notification(1, "a")});
  EXPECT_EQ(outcome.result, Result::failed);
  EXPECT_THAT(outcome.answer, Not(HasSubstr("swordfish")));
}

TEST(WebhookCarrier, PrivateAddressesAreNotEvenConnectedTo) {
  TestReceiver receiver;
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1",
                           "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"}) {
    WebhookOptions options = webhook(receiver.url(host));
    options.guard = AddressGuard(false, {});
    Outcome outcome = WebhookCarrier(options, never).carry({notification(1, "a")});
    EXPECT_EQ(outcome.result, Result::failed) << host;
    EXPECT_THAT(outcome.answer, HasSubstr("not allowed")) << host;
  }
  EXPECT_TRUE(receiver.requests().empty());
  WebhookOptions options = webhook(receiver.url());
  options.guard = AddressGuard(false, {*config::parse_network("127.0.0.0/8")});
  EXPECT_EQ(WebhookCarrier(options, never).carry({notification(1, "a")}).result, Result::delivered);
}

TEST(WebhookCarrier, DataThatIsNoJsonIsRefused) {
  TestReceiver receiver;
  WebhookCarrier carrier(webhook(receiver.url()), never);
  Notification bad = notification(1, "a");
  bad.data = "no json";
  EXPECT_EQ(carrier.carry({bad}).result, Result::refused);
  EXPECT_TRUE(receiver.requests().empty());
}

TEST(SlackCarrier, ALineForEach) {
  TestReceiver receiver;
  SlackCarrier carrier({.url = Secret(receiver.url()),
                        .text = config::parse_text_template("*{subject}* {entity}").value(),
                        .guard = AddressGuard(true, {})},
                       never);
  EXPECT_EQ(carrier.carry({notification(1, "<!channel>"), notification(2, "b&c")}).result, Result::delivered);
  EXPECT_EQ(json::parse(receiver.requests()[0].body).at("text").as_string(),
            "*vip* &lt;!channel&gt;\n*vip* b&amp;c");
}

class TestFile {
 public:
  TestFile() {
    std::string pattern = TIDEMARK_BINARY_DIR "/test-notify-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory");
    directory_ = pattern;
  }
  ~TestFile() { std::filesystem::remove_all(directory_); }
  std::filesystem::path path() const { return directory_ / "below" / "out.ndjson"; }
  std::string text() const {
    std::ifstream in(path());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path directory_;
};

TEST(FileCarrier, LinesOfJsonAndTornOnesMended) {
  TestFile file;
  Notification multi = notification(2, "b");
  multi.data = "{\"a\":\n1}";
  {
    FileCarrier carrier("files", file.path());
    EXPECT_EQ(carrier.carry({notification(1, "a"), multi}).result, Result::delivered);
  }
  std::string whole = file.text();
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 2);
  std::ofstream(file.path(), std::ios::app) << whole.substr(0, 40);
  FileCarrier carrier("files", file.path());
  carrier.carry({notification(3, "c")});
  std::istringstream lines(file.text());
  std::vector<std::string> ids;
  for (std::string line; std::getline(lines, line);) ids.emplace_back(json::parse(line).at("id").as_string());
  EXPECT_EQ(ids,
            (std::vector<std::string>{message_id("files", notification(1, "a")), message_id("files", multi),
                                      message_id("files", notification(3, "c"))}));
  // Moved away: a new one is begun.
  std::filesystem::rename(file.path(), file.path().string() + ".1");
  carrier.carry({notification(4, "d")});
  std::string fresh = file.text();
  EXPECT_EQ(std::count(fresh.begin(), fresh.end(), '\n'), 1);
}

TEST(FileCarrier, AFileThatCannotBeWrittenIsAway) {
  FileCarrier carrier("files", "/proc/nothing/here");
  Outcome outcome = carrier.carry({notification(1, "a")});
  EXPECT_EQ(outcome.result, Result::away);
  EXPECT_FALSE(outcome.answer.empty());
}

TEST(PostgresCarrier, CurrentStateAndLogAndReplaysThatChangeNothing) {
  postgres::TestCluster cluster(TIDEMARK_BINARY_DIR);
  PostgresCarrier carrier(
      {.destination = "db", .url = Secret(cluster.url("postgres")), .table = "public.members"});
  std::vector<Notification> first = {notification(1, "a"), notification(2, "b"),
                                     notification(3, "a", "segment.exited")};
  std::vector<Notification> second = {notification(4, "b", "segment.exited"), notification(5, "b")};
  for (const auto& parcel : {first, second, first, second})
    EXPECT_EQ(carrier.carry(parcel).result, Result::delivered);
  auto connection = postgres::Connection::open({.url = cluster.url("postgres")});
  ASSERT_TRUE(connection);
  auto text = [&](const std::string& sql) {
    auto rows = connection->query(sql);
    return rows ? std::string(rows->at(0, 0)) : rows.error().describe();
  };
  EXPECT_EQ(
      text("SELECT string_agg(entity || ' ' || active || ' ' || seq, ', ' ORDER BY entity) FROM members"),
      "a false 3, b true 5");
  EXPECT_EQ(text("SELECT string_agg(seq::text, ',' ORDER BY delivered_at, seq) FROM members_log"),
            "1,2,3,4,5");
  EXPECT_EQ(text("SELECT data->>'segment' FROM members WHERE entity = 'a'"), "vip");
  // What Postgres cannot hold is that notification's own fault.
  Notification nul = notification(6, "c");
  nul.data = R"({"a":"\u0000"})";
  EXPECT_EQ(carrier.carry({nul}).result, Result::refused);
  // A table that went away is made anew; a server that went away is waited for.
  ASSERT_TRUE(connection->execute("DROP TABLE members, members_log"));
  EXPECT_EQ(carrier.carry({notification(7, "d")}).result, Result::away);
  EXPECT_EQ(carrier.carry({notification(7, "d")}).result, Result::delivered);
  cluster.stop();
  EXPECT_EQ(carrier.carry({notification(8, "e")}).result, Result::away);
  cluster.start();
  Outcome back;
  for (int attempt = 0; attempt < 100; ++attempt)
    if (back = carrier.carry({notification(8, "e")}); back.result == Result::delivered) break;
  EXPECT_EQ(back.result, Result::delivered) << back.answer;
}

}  // namespace
}  // namespace tidemark::notify
