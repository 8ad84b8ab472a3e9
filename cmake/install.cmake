# Install rules: headers, the exported target hft::hft with its config and version files, the pkg-config file, licence.
include(CMakePackageConfigHelpers)
set(config_dir "${CMAKE_INSTALL_DATADIR}/cmake/hft")  # data, not lib: the package is the same on every architecture

install(TARGETS hft EXPORT hftTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT hftTargets NAMESPACE hft:: DESTINATION "${config_dir}")
configure_package_config_file(cmake/hftConfig.cmake.in "${PROJECT_BINARY_DIR}/cmake/hftConfig.cmake"
                              INSTALL_DESTINATION "${config_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/hftConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/cmake/hftConfig.cmake" "${PROJECT_BINARY_DIR}/cmake/hftConfigVersion.cmake"
              cmake/hftCompiled.cmake cmake/Findutf8proc.cmake cmake/FindPCRE2.cmake
        DESTINATION "${config_dir}")

# A relative prefix lets the installed tree be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" OUTPUT_VARIABLE pc_prefix)
configure_file(cmake/hft.pc.in "${PROJECT_BINARY_DIR}/cmake/hft.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/hft.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
