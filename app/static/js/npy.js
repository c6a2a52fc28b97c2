/**
 * Arrays as `numpy.save` writes them (NumPy enhancement proposal 1): a header in words, and the numbers behind it.
 */

const MAGIC = "NUMPY"; // behind a byte that no text begins with, 0x93

/** By NumPy's name of a type, what holds its numbers. */
const TYPES = { "<f4": Float32Array, "<f8": Float64Array, "<i4": Int32Array, "|u1": Uint8Array };

/** @typedef {Float32Array | Float64Array | Int32Array | Uint8Array} Numbers */

/**
 * The numbers of a file, row by row, and their shape.
 * @param {ArrayBuffer} file
 * @returns {{shape: number[], numbers: Numbers}}
 */
export function readNpy(file) {
  const view = new DataView(file);
  const latin = new TextDecoder("latin1");
  if (view.getUint8(0) !== 0x93 || latin.decode(file.slice(1, 6)) !== MAGIC) {
    throw new Error("This is no array of NumPy.");
  }
  const wide = view.getUint8(6) > 1; // later versions of the format have a longer length
  const begin = wide ? 12 : 10;
  const end = begin + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = latin.decode(file.slice(begin, end));
  const type = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "";
  const Type = TYPES[/** @type {"<f4"} */ (type)];
  if (!Type || header.includes("'fortran_order': True")) {
    throw new Error(`Arrays like ${header.trim()} are not read here.`);
  }
  return { shape: shape.split(",").filter((size) => size.trim()).map(Number), numbers: new Type(file.slice(end)) };
}
