f(self.__WB_MANIFEST);
//# sourceMappingURL=sw.js.map
