#include "config/destination.h"
#include "config/project.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

class DestinationTest : public testing::Test {
 protected:
  DestinationTest() : root_(testing::TempDir() + "destination_" + std::to_string(getpid())) {
    std::filesystem::create_directories(root_ / "destinations");
    std::ofstream(root_ / "tidemark.yaml") << "project: shop\n";
  }
  ~DestinationTest() override { std::filesystem::remove_all(root_); }

  LoadedProject load(const std::string& text) {
    std::ofstream(root_ / "destinations/a.yaml") << text;
    return load_project(root_);
  }
  std::string errors(const std::string& text) {
    std::string all;
    for (const auto& error : load(text).errors) all += error.render() + "\n";
    return all;
  }
  Destination only(const std::string& text) {
    auto loaded = load(text);
    EXPECT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
    auto destinations = load_destinations(root_);
    EXPECT_TRUE(destinations) << destinations.error().describe();
    return destinations && destinations->size() == 1 ? destinations->front() : Destination{};
  }

  std::filesystem::path root_;
};

TEST_F(DestinationTest, AWebhookWithEverything) {
  setenv("NOTIFY_TEST_KEY", "open sesame", 1);
  Destination found = only(
      "destination: crm\nwebhook:\n  url: https://user:pw@crm.example.com:8443/hook?token=x\n  secrets: [" +
      std::string(secret) +
      "]\n  headers: { X-Api-Key: \"${env:NOTIFY_TEST_KEY}\" }\n  timeout: 20s\n  allow_private: "
      "[10.0.0.0/8, "
      "\"fd00::/8\"]\nconcurrency: 3\nbatch: 50\nbatch_wait: 2s\n");
  auto& webhook = std::get<WebhookDestination>(found.to);
  EXPECT_EQ(found.name, "crm");
  EXPECT_EQ(webhook.shown, "https://crm.example.com:8443");
  EXPECT_EQ(webhook.secrets[0].reveal(), secret);
  EXPECT_EQ(webhook.headers[0].second.reveal(), "open sesame");
  EXPECT_EQ(webhook.timeout_seconds, 20);
  EXPECT_EQ(webhook.allow_private.networks.size(), 2U);
  EXPECT_FALSE(webhook.allow_private.all);
  EXPECT_EQ(found.concurrency, 3U);
  EXPECT_EQ(found.batch, 50U);
  EXPECT_TRUE(found.batches);
  EXPECT_EQ(found.batch_wait_seconds, 2);
}

TEST_F(DestinationTest, EveryKindWithItsDefaults) {
  Destination webhook =
      only("destination: a\nwebhook: { url: https://example.com, secret: " + std::string(secret) + " }\n");
  EXPECT_EQ(webhook.concurrency, 8U);
  EXPECT_FALSE(webhook.batches);
  EXPECT_EQ(std::get<WebhookDestination>(webhook.to).secrets.size(), 1U);
  auto kafka = std::get<KafkaDestination>(
      only(
          "destination: a\nkafka: { brokers: \"b:9092\", topic: segments, settings: { sasl.password: x } }\n")
          .to);
  EXPECT_EQ(kafka.topic, "segments");
  EXPECT_EQ(kafka.settings.at("sasl.password").reveal(), "x");
  auto postgres = std::get<PostgresDestination>(
      only("destination: a\npostgres: { url: \"postgresql://h/db\", table: crm.members }\n").to);
  EXPECT_EQ(postgres.table, "crm.members");
  auto file = std::get<FileDestination>(only("destination: a\nfile: { path: out/x.ndjson }\n").to);
  EXPECT_EQ(file.path, root_ / "out/x.ndjson");
  auto slack = std::get<SlackDestination>(
      only("destination: a\nslack: { url: \"https://hooks.slack.com/services/x\" }\n").to);
  EXPECT_EQ(slack.shown, "https://hooks.slack.com");
  EXPECT_FALSE(slack.text.empty());
  auto mail = std::get<MailDestination>(only("destination: a\nsmtp: { url: \"smtps://mail.example.com\", "
                                             "from: a@b.c, to: [d@e.f, \"G <g@h.i>\"] }\n")
                                            .to);
  EXPECT_THAT(mail.to, ElementsAre("d@e.f", "G <g@h.i>"));
  EXPECT_TRUE(mail.starttls);
  EXPECT_TRUE(std::holds_alternative<FeedDestination>(only("destination: a\nsse: {}\n").to));
}

TEST_F(DestinationTest, MistakesWithPlaceAndRemedy) {
  std::string text = errors(
      "destination: a-b\nwebhook:\n  url: ftp://example.com\n  secret: whsec_short\n  headers: { webhook-id: "
      "x, "
      "\"a b\": y }\n  timeout: 5m\n  allow_private: [10.0.0.0/40]\n  allow_privat: true\nconcurrency: "
      "0\nbatch_wait: 1s\n");
  EXPECT_THAT(text, HasSubstr("destinations/a.yaml:1:14: `a-b` cannot be the name of a destination"));
  EXPECT_THAT(text, HasSubstr("a.yaml:3:8: `url` is no http or https URL"));
  EXPECT_THAT(text, HasSubstr("a.yaml:4:11: a secret is whsec_ and 24 to 64 bytes"));
  EXPECT_THAT(text, HasSubstr("the header `webhook-id` is not for a project to set"));
  EXPECT_THAT(text, HasSubstr("`a b` is no name of a header"));
  EXPECT_THAT(text, HasSubstr("`timeout` is between 1s and 60s"));
  EXPECT_THAT(text, HasSubstr("`10.0.0.0/40` is no network"));
  EXPECT_THAT(text, HasSubstr("unknown key `allow_privat` in `webhook` (did you mean `allow_private`?)"));
  EXPECT_THAT(text, HasSubstr("`batch_wait` without `batch`"));
  EXPECT_THAT(errors("destination: a\n"), HasSubstr("it does not say where notifications go"));
  EXPECT_THAT(errors("destination: a\nsse: {}\nfile: { path: x }\n"),
              HasSubstr("`file` and `sse` are both there"));
  EXPECT_THAT(errors("destination: a\nfile: { path: x }\nconcurrency: 2\n"), HasSubstr("has one connection"));
  EXPECT_THAT(errors("destination: a\nslack: { url: \"https://a.b\", text: \"{entiy}\" }\n"),
              HasSubstr("`{entiy}` is no placeholder"));
  EXPECT_THAT(errors("destination: a\nsmtp: { url: \"smtp://u:p@h\", from: x, to: y@z }\n"),
              HasSubstr("`x` is no mail address"));
  EXPECT_THAT(errors("destination: a\nkafka: { brokers: b, topic: \"a b\" }\n"),
              HasSubstr("`a b` cannot be the name of a topic"));
  EXPECT_THAT(errors("destination: a\npostgres: { url: x, table: \"a;b\" }\n"),
              HasSubstr("`a;b` cannot be the name of a table"));
}

TEST_F(DestinationTest, SecretsAreNotQuoted) {
  setenv("NOTIFY_TEST_SECRET", "whsec_swordfish", 1);
  std::string text = errors(
      "destination: a\nwebhook: { url: \"${env:NOTIFY_TEST_SECRET}\", secret: \"${env:NOTIFY_TEST_SECRET}\" "
      "}\n");
  EXPECT_THAT(text, HasSubstr("a secret is whsec_"));
  EXPECT_THAT(text, Not(HasSubstr("swordfish")));
}

TEST_F(DestinationTest, NamesAreUsedOnce) {
  std::ofstream(root_ / "destinations/b.yaml") << "destination: a\nsse: {}\n";
  EXPECT_THAT(errors("destination: a\nsse: {}\n"), HasSubstr("the destination `a` is declared already"));
}

}  // namespace
}  // namespace tidemark::config
