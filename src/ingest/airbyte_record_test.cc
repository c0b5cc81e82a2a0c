#include "ingest/airbyte_record.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

TEST(AirbyteRecord, WhatIsInTheEnvelopeStandsBesideIt) {
  AirbyteRecord record;
  EXPECT_EQ(
      record.unwrap(
          R"({"_airbyte_raw_id":"a","_airbyte_extracted_at":1714666000000,"_airbyte_meta":{"changes":[]},)"
          R"("_airbyte_data":{"id":9007199999999997,"total_price":"10.50","_airbyte_raw_id":"its own","note":"a \"b\""}})"),
      R"({"_airbyte_extracted_at":1714666000000,"_airbyte_meta":{"changes":[]},"id":9007199999999997,)"
      R"("total_price":"10.50","_airbyte_raw_id":"its own","note":"a \"b\""})");
  // As CSV has it: a text.
  EXPECT_EQ(record.unwrap(R"({"_airbyte_ab_id":"a","_airbyte_data":"{\"id\": 1.50, \"tags\": [\"x\"]}"})"),
            R"({"_airbyte_ab_id":"a","id":1.50,"tags":["x"]})");
  EXPECT_EQ(record.unwrap(R"({"_airbyte_data":{}})"), "{}");
}

TEST(AirbyteRecord, EverythingElseIsLeftAsItIs) {
  AirbyteRecord record;
  for (const char* json :
       {R"({"id":1,"_airbyte_raw_id":"flat"})", R"({"_airbyte_data":7})", R"({"_airbyte_data":"no object"})",
        R"({"note":"_airbyte_data"})", R"({"_airbyte_data":{"id":1})", R"(["_airbyte_data"])"})
    EXPECT_EQ(record.unwrap(json), json);
}

}  // namespace
}  // namespace tidemark::ingest
