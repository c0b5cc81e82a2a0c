// Binary wire values as the text Postgres's output functions print (under the settings of connection.cc),
// byte for byte. Used where the warehouse keeps text: time, interval, inet, arrays and ranges as literals,
// ...
//
// All have the shape of Decoder::TextFunction: they append to `out`, and on an error what they appended is to
// be thrown away.
#pragma once

#include "postgres/type_decoder.h"

namespace tidemark::postgres {

// The function for a wire type that is not array, range or multirange (array_text.h); nullptr for `other`.
Decoder::TextFunction scalar_text_function(WireType wire);

// Shortest digits that read back exactly, laid out as Postgres does.
void append_float(std::string& out, double value);
void append_float(std::string& out, float value);

extern const char* const wrong_length;  // the reason every decoder gives for a value of impossible size

}  // namespace tidemark::postgres
