// Compiled as hft comes, in a program whose other source file uses the compiled part.
#include <hft/io/json.hpp>
#if !HFT_DEFINES(MODELS)
#error "hft::hft should bring its definitions along"
#endif

hft::json parsed_header_only() { return hft::json::parse("{\"rows\": 2}"); }
