#include "config/project.h"
#include "config/webhook_source.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class PullSourceTest : public testing::Test {
 protected:
  PullSourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-pull-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
  }
  ~PullSourceTest() override { std::filesystem::remove_all(root_); }
  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::filesystem::path root_;
};

TEST_F(PullSourceTest, BesideAWebhookAndAlone) {
  write("sources/a.yaml",
        "source: shop\nwebhook: { from: shopify, secrets: [0123456789abcdef] }\npull:\n  url: "
        "https://x.myshopify.com/\n"
        "  token: shpat_secret\n  every: 5m\n  overlap: 2h\n  since: 2025-01-31\n  streams: [orders]\n");
  write("sources/b.yaml", "source: visits\npull: { from: ga4, token: ya29, property: 4711, late_days: 2 }\n");
  write("sources/c.yaml",
        "source: letters\nwebhook: { from: klaviyo, secrets: fedcba9876543210 }\npull:\n  token: "
        "${env:NOBODY_SETS_THIS:-}\n"
        "  url: ${env:NOBODY_SETS_THIS:-}\n");
  write("sources/d.yaml",
        "source: hits\npull: { from: ga4, token: \"${env:NOBODY_SETS_THIS:-}\", property: "
        "\"${env:NOBODY_SETS_THIS:-}\" }\n");
  write("sources/e.yaml", "source: none\npull: { from: klaviyo }\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  auto sources = load_webhook_sources(root_);
  ASSERT_TRUE(sources) << sources.error().describe();
  ASSERT_EQ(sources->size(), 5u);
  const WebhookSource& shop = sources->at(0);
  ASSERT_TRUE(shop.pull);
  EXPECT_TRUE(shop.called);
  EXPECT_EQ(shop.pull->url, "https://x.myshopify.com");
  EXPECT_EQ(shop.pull->group, "x.myshopify.com");
  EXPECT_EQ(shop.pull->every_s, 300);
  EXPECT_EQ(shop.pull->overlap_s, 7200);
  EXPECT_THAT(shop.pull->streams, ElementsAre("orders"));
  EXPECT_EQ(shop.events.table, "shop_webhooks");
  EXPECT_EQ(shop.events.write_keys.back().name, "pull");
  EXPECT_TRUE(shop.events.write_keys.back().key.empty());
  EXPECT_EQ(shop.events.tables.at(0).table, "shop_progress");
  const WebhookSource& visits = sources->at(1);
  EXPECT_FALSE(visits.called);
  EXPECT_EQ(visits.events.table, "visits_pulled");
  EXPECT_EQ(visits.events.tables.at(1).table, "visits_reports");
  EXPECT_THAT(visits.events.tables.at(1).key, ElementsAre("property", "report", "day", "name"));
  EXPECT_EQ(visits.pull->late_days, 2);
  const WebhookSource& letters = sources->at(2);
  EXPECT_TRUE(letters.pull->token.empty());
  EXPECT_EQ(letters.pull->streams.size(), 6u);
  EXPECT_TRUE(sources->at(3).pull->token.empty());
  EXPECT_EQ(sources->at(4).pull->url, "https://a.klaviyo.com");
}

TEST_F(PullSourceTest, EveryMistakeIsReported) {
  write("sources/a.yaml",
        "source: a\npull: { from: shopify, token: shpat_hush, url: http://x.myshopify.com, streams: [carts] "
        "}\n");
  write("sources/b.yaml", "source: b\npull: { token: x }\n");
  write("sources/c.yaml",
        "source: c\nwebhook: { from: klaviyo, secrets: fedcba9876543210 }\npull: { from: ga4, token: x, "
        "since: tomorrow, "
        "property: mine }\n");
  write("sources/d.yaml",
        "source: d\nwebhook: { from: standard, secrets: fedcba9876543211 }\npull: { token: x }\n");
  write("sources/e.yaml", "source: e\npull: { from: klaviyo, url: \"https://a.klaviyo.com/api?x\" }\n");
  write("sources/f.yaml",
        "source: f\nwebhook: { from: klaviyo, secrets: [{ name: pull, key: fedcba9876543212 }] }\npull: { "
        "token: x }\n");
  std::string text = render(load_project(root_).errors);
  EXPECT_THAT(text, HasSubstr("would show the token"));
  EXPECT_THAT(text, HasSubstr("`carts` is no stream of shopify"));
  EXPECT_THAT(text, HasSubstr("needs the key `from`"));
  EXPECT_THAT(text, HasSubstr("the `webhook` beside it is of klaviyo"));
  EXPECT_THAT(text, HasSubstr("`tomorrow` is no day"));
  EXPECT_THAT(text, HasSubstr("the number of a GA4 property"));
  EXPECT_THAT(text, HasSubstr("cannot be beside `webhook: { from: standard }`"));
  EXPECT_THAT(text, HasSubstr("Leave path, query and user out"));
  EXPECT_THAT(text, HasSubstr("a secret is called `pull`"));
  EXPECT_THAT(text, Not(HasSubstr("is one of the source")));
}

}  // namespace
}  // namespace tidemark::config
