# hft::compiled: hft::hft, with its larger functions that are no templates compiled once instead of in every source file
# that uses them. A target of the project that links it, built with that project's flags, and only if something does;
# so it is installed as this file, and hft stays a package of headers.
if(TARGET hft_compiled OR NOT CMAKE_CXX_COMPILER)
  return()
endif()
set(hft_compiled_sources)
foreach(part models train kernels bodies templates text)  # a source file each, the longest first: a program is linked with those
                                                  # it uses
  set(source "${CMAKE_CURRENT_BINARY_DIR}/hft_compiled_${part}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include <hft/compiled/${part}.hpp>\n" @ONLY)
  list(APPEND hft_compiled_sources "${source}")
endforeach()
add_library(hft_compiled STATIC EXCLUDE_FROM_ALL ${hft_compiled_sources})
add_library(hft::compiled ALIAS hft_compiled)
target_link_libraries(hft_compiled PUBLIC hft::hft)
target_compile_definitions(hft_compiled PUBLIC HFT_COMPILED)
set_target_properties(hft_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)

# hft::auto: hft::compiled, and the classes of all architectures behind the Auto classes, for AutoModel<> and its like
# (any_q, cpu, default_archs): minutes to build, once; a program that uses them then compiles in seconds.
set(source "${CMAKE_CURRENT_BINARY_DIR}/hft_compiled_auto.cpp")
file(CONFIGURE OUTPUT "${source}" CONTENT "#define HFT_AUTO_TEMPLATE\n#include <hft/auto.hpp>\n" @ONLY)
add_library(hft_auto STATIC EXCLUDE_FROM_ALL "${source}")
add_library(hft::auto ALIAS hft_auto)
target_link_libraries(hft_auto PUBLIC hft_compiled)
target_compile_definitions(hft_auto PUBLIC HFT_COMPILED_AUTO)
# Compiled beside hft::compiled, not after it.
set_target_properties(hft_auto PROPERTIES POSITION_INDEPENDENT_CODE ON OPTIMIZE_DEPENDENCIES ON)
