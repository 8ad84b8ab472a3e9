# hft::compiled: hft::hft, with its larger functions that are no templates compiled once instead of in every source file
# that uses them. A target of the project that links it, built with that project's flags, and only if something does;
# so it is installed as this file, and hft stays a package of headers.
if(TARGET hft_compiled OR NOT CMAKE_CXX_COMPILER)
  return()
endif()
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/hft_compiled.cpp" CONTENT "#include <hft/compiled.hpp>\n" @ONLY)
add_library(hft_compiled STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_BINARY_DIR}/hft_compiled.cpp")
add_library(hft::compiled ALIAS hft_compiled)
target_link_libraries(hft_compiled PUBLIC hft::hft)
target_compile_definitions(hft_compiled INTERFACE HFT_COMPILED)
set_target_properties(hft_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
