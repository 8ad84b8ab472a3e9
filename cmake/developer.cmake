# What the programs of this repository are built with, beyond what the library asks of its users: warnings, the
# processor, ccache. None of it is exported or reaches a project that embeds hft.

find_program(HFT_CCACHE ccache DOC "Compiler cache; used where it is present")
mark_as_advanced(HFT_CCACHE)
if(HFT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${HFT_CCACHE}")
endif()

option(HFT_UNITY "Compile the sources of a program in batches: a third less work, for whoever builds them all" OFF)

set(CMAKE_CXX_EXTENSIONS OFF)  # -std=c++20, not gnu++20: what a user may compile with

add_library(hft_developer INTERFACE)
target_link_libraries(hft_developer INTERFACE hft::hft)
target_compile_options(hft_developer INTERFACE -Wall -Wextra -Wpedantic
                                               $<$<BOOL:${HFT_WARNINGS_AS_ERRORS}>:-Werror>)

# hft_march(TARGET MARCH) compiles a program for the processor MARCH (x86-64, haswell, native); where MARCH is empty, for
# this machine's if HFT_NATIVE is on, else for the compiler's default.
function(hft_march target march)
  if(NOT march AND HFT_NATIVE)
    set(march native)
  endif()
  if(march)
    target_compile_options(${target} PRIVATE "-march=${march}")
  endif()
endfunction()

# The compiled parts are this repository's, too.
foreach(target hft_compiled hft_auto)
  target_compile_options(${target} PRIVATE $<TARGET_PROPERTY:hft_developer,INTERFACE_COMPILE_OPTIONS>)
  hft_march(${target} "")
endforeach()

# For sources that call kernels, which are compiled elsewhere, and compute nothing: a third sooner compiled.
set(hft_glue $<$<CONFIG:Release>:-O1>)

# Apache Arrow, for Parquet: hft_arrow exists where it is found.
option(HFT_ARROW "Read Parquet files in the tool and test it, where Apache Arrow is installed" ON)
if(HFT_ARROW)
  find_package(Arrow QUIET)
  find_package(Parquet QUIET)
  if(TARGET Parquet::parquet_shared)
    add_library(hft_arrow INTERFACE)
    target_link_libraries(hft_arrow INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
  else()
    message(STATUS "Apache Arrow: not found; Parquet files are not read")
  endif()
endif()
