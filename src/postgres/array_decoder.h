// Arrays, ranges and multiranges: values made of other values.
#pragma once

#include "postgres/type_decoder.h"

namespace tidemark::postgres {

// Into an Array(Nullable(T)) column by way of decoder.element. One dimension (or none: the empty array) only;
// a lower bound other than 1 is not kept.
DecodeError array_from_binary(const Decoder& decoder, const char* data, size_t length, Column& out);
DecodeError array_from_text(const Decoder& decoder, const char* data, size_t length, Column& out);

// As Postgres prints them; decoder.element prints the parts.
DecodeError text_of_array(const Decoder& decoder, const char* data, size_t length, std::string& out);
DecodeError text_of_range(const Decoder& decoder, const char* data, size_t length, std::string& out);
DecodeError text_of_multirange(const Decoder& decoder, const char* data, size_t length, std::string& out);

}  // namespace tidemark::postgres
