// Samples of the first two channels, interleaved, in blocks of 512 frames.
const FRAMES = 512;
class Tap extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.channels = options.processorOptions.channels;
    this.block = new Float32Array(FRAMES * this.channels);
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    const frames = input[0].length;
    for (let i = 0; i < frames; i++) {
      for (let c = 0; c < this.channels; c++)
        this.block[this.filled++] = input[Math.min(c, input.length - 1)][i];
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(FRAMES * this.channels);
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("tap", Tap);
