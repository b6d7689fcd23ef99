/* A libcuda.so.1 without devices: cuDNN's libraries load where no driver is installed, and can describe
 * operations. Every function they link to says that there is no device. */
enum { NO_DEVICE = 100 }; /* CUDA_ERROR_NO_DEVICE */

#define NO(name)                                                                                             \
    int name(void);                                                                                          \
    int name(void) {                                                                                         \
        return NO_DEVICE;                                                                                    \
    }

NO(cuGetErrorString)
NO(cuModuleGetFunction)
NO(cuModuleLoadData)
NO(cuModuleUnload)
NO(cuTensorMapEncodeIm2col)
NO(cuTensorMapEncodeTiled)
