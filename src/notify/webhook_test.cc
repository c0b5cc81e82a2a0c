// The parts of a webhook that need no server: signatures, ids, payloads, the guard, the schedule, excerpts.
#include "notify/address_guard.h"
#include "notify/carrier.h"
#include "notify/notification.h"
#include "notify/notify_limits.h"
#include "notify/retry_schedule.h"
#include "notify/standard_webhook.h"
#include "notify/text_template.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>

namespace tidemark::notify {
namespace {

using testing::HasSubstr;

TEST(StandardWebhook, TheStandardsTestVector) {
  auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key) << key.error().describe();
  EXPECT_EQ(webhook_signature({*key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(StandardWebhook, EverySecretSigns) {
  auto old_key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  auto new_key = webhook_key("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  ASSERT_TRUE(new_key) << new_key.error().describe();
  std::string both = webhook_signature({*new_key, *old_key}, "msg_1", 1, "{}");
  EXPECT_EQ(both, webhook_signature({*new_key}, "msg_1", 1, "{}") + " " +
                      webhook_signature({*old_key}, "msg_1", 1, "{}"));
}

TEST(StandardWebhook, SecretsThatAreNone) {
  for (const char* wrong : {"", "whsec_", "whsec_short", "whsec_%%%%", "whsec_AAECAwQFBgcICQoLDA0ODw=="})
    EXPECT_FALSE(webhook_key(wrong)) << wrong;
  auto refused = webhook_key("whsec_not+so+secret");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().describe().find("not+so"), std::string::npos);
}

TEST(Notification, IdsAreStableAndDiffer) {
  Notification one{.seq = 7, .subject = "vip", .entity = "42"};
  EXPECT_EQ(message_id("crm", one), message_id("crm", one));
  EXPECT_EQ(message_id("crm", one).size(), 36U);
  // Frozen: receivers keep ids over upgrades.
  EXPECT_EQ(message_id("crm", one), "msg_d8c8777495994004db23a0077923a74e");
  std::set<std::string> ids{message_id("crm", one), message_id("crm2", one)};
  one.seq = 8;
  ids.insert(message_id("crm", one));
  one = {.seq = 7, .subject = "vip4", .entity = "2"};
  ids.insert(message_id("crm", one));
  EXPECT_EQ(ids.size(), 4U);
}

TEST(Notification, Payloads) {
  Notification one{.seq = 7,
                   .kind = "segment.entered",
                   .subject = "vip",
                   .subject_version = "3",
                   .entity = "4\"2",
                   .cause = "event",
                   .happened_at_ms = 1'777'803'630'123,
                   .data = R"({"segment": "vip"})"};
  EXPECT_EQ(*payload(one),
            R"({"type":"segment.entered","timestamp":"2026-05-03T10:20:30.123Z","data":{"segment": "vip"}})");
  one.data.clear();
  EXPECT_THAT(*payload(one), HasSubstr(R"("data":{"subject":"vip","subject_version":"3","entity":"4\"2")"));
  for (const char* wrong : {"[1]", "{", "7", "{} {}"}) {
    one.data = wrong;
    EXPECT_FALSE(payload(one)) << wrong;
  }
  one.data = "{\"a\":\"" + std::string(limits::data_bytes_max, 'x') + "\"}";
  EXPECT_FALSE(payload(one));
}

Address address(const char* text) {
  return config::parse_network(text).value().address;
}

TEST(AddressGuard, WhatIsNotPublicIsRefused) {
  AddressGuard guard(false, {});
  for (const char* text : {"127.0.0.1",
                           "127.9.9.9",
                           "0.0.0.0",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "169.254.169.254",
                           "100.64.0.1",
                           "100.100.100.200",
                           "192.0.0.192",
                           "198.18.0.1",
                           "224.0.0.1",
                           "239.255.255.250",
                           "240.0.0.1",
                           "255.255.255.255",
                           "192.0.2.1",
                           "198.51.100.7",
                           "203.0.113.9",
                           "::",
                           "::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:169.254.169.254",
                           "::127.0.0.1",
                           "::7f00:1",
                           "fe80::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fec0::1",
                           "ff02::1",
                           "2001:db8::1",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a9fe:a9fe",
                           "64:ff9b:1::1",
                           "2002:7f00:1::",
                           "2002:a00:1::",
                           "2001:0:1::1",
                           "100::1"})
    EXPECT_TRUE(guard.refuses(address(text))) << text;
}

TEST(AddressGuard, WhatIsPublicIsNot) {
  AddressGuard guard(false, {});
  for (const char* text : {"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255",
                           "100.128.0.1", "169.253.0.1", "223.255.255.255", "::ffff:8.8.8.8",
                           "2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "2a00:1450::1"})
    EXPECT_FALSE(guard.refuses(address(text))) << text << ": " << *guard.refuses(address(text));
}

TEST(AddressGuard, WhatIsAllowedIsNot) {
  AddressGuard some(false, {*config::parse_network("10.1.0.0/16"), *config::parse_network("::1/128")});
  EXPECT_FALSE(some.refuses(address("10.1.2.3")));
  EXPECT_FALSE(some.refuses(address("::1")));
  EXPECT_TRUE(some.refuses(address("10.2.0.1")));
  EXPECT_TRUE(some.refuses(address("127.0.0.1")));
  EXPECT_FALSE(AddressGuard(true, {}).refuses(address("127.0.0.1")));
}

TEST(Network, WhatIsNone) {
  for (const char* wrong : {"", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "a/8", "10.0.0.0/", "10.0.0.0/8x"})
    EXPECT_FALSE(config::parse_network(wrong)) << wrong;
}

TEST(RetrySchedule, GrowsAndEnds) {
  EXPECT_EQ(*retry_pause_us(1, 0), 5'000'000);
  EXPECT_EQ(*retry_pause_us(2, 0), 300'000'000);
  EXPECT_EQ(*retry_pause_us(9, 0), 86'400'000'000);
  EXPECT_LE(*retry_pause_us(1, 0.999), 6'000'000);
  EXPECT_FALSE(retry_pause_us(10, 0));
}

TEST(RetrySchedule, RetryAfter) {
  EXPECT_EQ(parse_retry_after(" 120\r\n", 0), 120);
  EXPECT_EQ(parse_retry_after("0", 0), 0);
  EXPECT_EQ(parse_retry_after("-5", 0), 0);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", 0), limits::retry_after_s_max);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1'445'412'450), 30);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1'945'412'450), 0);
  EXPECT_FALSE(parse_retry_after("soon", 0));
  EXPECT_FALSE(parse_retry_after("", 0));
}

TEST(Redaction, SecretsAndBytesThatAreNoText) {
  Redaction redaction;
  redaction.add("swordfish");
  EXPECT_EQ(redaction.excerpt("you sent swordfish, swordfish!"), "you sent ***, ***!");
  EXPECT_EQ(redaction.excerpt("a\nb\xff\xc3\xa9 "), "a b?é");
  EXPECT_LE(redaction.excerpt(std::string(5000, 'x')).size(), limits::answer_excerpt_bytes_max + 4);
}

TEST(TextTemplate, FillsInAndEscapes) {
  auto text = config::parse_text_template("{{{subject}}} {entity}: {data.plan.name}{data.none}{data.count}");
  ASSERT_TRUE(text) << text.error().describe();
  Notification one{.subject = "vip", .entity = "<7>", .data = R"({"plan":{"name":"pro"},"count":3})"};
  EXPECT_EQ(render(*text, one), "{vip} <7>: pro3");
  EXPECT_EQ(render(*text, one, [](std::string_view) { return std::string("*"); }), "{*} *: ***");
  for (const char* wrong : {"{entiy}", "{", "}", "{data}", "{data.}"})
    EXPECT_FALSE(config::parse_text_template(wrong)) << wrong;
}

}  // namespace
}  // namespace tidemark::notify
