/* Processor, operating system and OpenMP runtime, asked directly.
 *
 * A level needs two things: the instructions (CPUID) and an operating system that saves their registers (XGETBV). */
#ifndef MINIDL_MACHINE_H
#define MINIDL_MACHINE_H

#ifdef _OPENMP
#include <omp.h>
#endif

#define PORTABLE 0
#define V2 1
#define V3 2
#define V4 3

#if defined(__x86_64__)
#include <cpuid.h>

static inline unsigned long long xcr0(void) {
    unsigned int low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((unsigned long long)high << 32) | low;
}

#define HAS(word, bits) (((word) & (bits)) == (bits))

static inline int machine_level(void) {
    unsigned int a, b, c, d, ext_b = 0, ext_c, ext_d, amd_c = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return PORTABLE;
    const unsigned int v2 = bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B;
    if (!HAS(c, v2)) return PORTABLE;
    if (!HAS(c, bit_OSXSAVE)) return V2;
    const unsigned long long saved = xcr0();
    __get_cpuid_count(7, 0, &a, &ext_b, &ext_c, &ext_d);
    __get_cpuid(0x80000001u, &a, &b, &amd_c, &d);
    const int v3 = HAS(c, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) && HAS(ext_b, bit_AVX2 | bit_BMI | bit_BMI2)
        && HAS(amd_c, bit_ABM) && HAS(saved, 0x6); /* SSE and AVX state */
    if (!v3) return V2;
    const int v4 = HAS(ext_b, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL)
        && HAS(saved, 0xe6); /* and the three parts of AVX-512 state */
    return v4 ? V4 : V3;
}
#else
static inline int machine_level(void) { return PORTABLE; }
#endif

#ifdef _OPENMP
static inline int machine_has_openmp(void) { return 1; }
static inline int machine_openmp_version(void) { return _OPENMP; }
#if _OPENMP >= 201811 || (defined(__GNUC__) && __GNUC__ >= 9)
static inline int machine_pause_threads(void) { return omp_pause_resource_all(omp_pause_hard); }
#else
static inline int machine_pause_threads(void) { return -1; }
#endif
#else
static inline int machine_has_openmp(void) { return 0; }
static inline int machine_openmp_version(void) { return 0; }
static inline int machine_pause_threads(void) { return 0; }
#endif

static inline const char *machine_compiler(void) {
#if defined(__clang__)
    return "Clang " __clang_version__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#else
    return "unknown";
#endif
}

#endif
