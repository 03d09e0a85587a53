// Sound as blocks of samples: the microphone, or a recording while it plays.

// What browsers do to speech harms music: 50 ms more delay, a gain that wanders by 13 dB.
const PLAIN = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};

export class Sound {
  constructor(onBlock) {
    this.onBlock = onBlock;
    this.level = -60; // dB
  }

  // Returns {rate, channels}; `onEnd` is called when a recording is over.
  async start(source, onEnd) {
    this.context = new AudioContext({latencyHint: "interactive"});
    try {
      let node, channels = 1;
      if (source === "microphone") {
        if (!navigator.mediaDevices)
          throw new Error("Browsers give the microphone to localhost and https pages alone.");
        this.stream = await navigator.mediaDevices.getUserMedia({audio: PLAIN});
        channels = Math.min(this.stream.getAudioTracks()[0].getSettings().channelCount || 1, 2);
        node = this.context.createMediaStreamSource(this.stream);
      } else {
        this.player = new Audio(source);
        this.player.onended = onEnd;
        channels = 2;
        node = this.context.createMediaElementSource(this.player);
        node.connect(this.context.destination);
      }
      await this.context.audioWorklet.addModule("/worklet.js");
      const tap = new AudioWorkletNode(this.context, "tap", {
        numberOfOutputs: 0, channelCount: channels, channelCountMode: "explicit",
        processorOptions: {channels}});
      tap.port.onmessage = ({data}) => this.take(data);
      node.connect(tap);
      await this.context.resume();
      return {rate: this.context.sampleRate, channels, play: () => this.player?.play()};
    } catch (error) {
      this.stop();
      throw new Error(WORDS[error.name] ?? error.message);
    }
  }

  take(block) {
    let sum = 0;
    for (const sample of block) sum += sample * sample;
    const now = 10 * Math.log10(sum / block.length + 1e-9);
    this.level = Math.max(now, this.level - 0.7, -60);
    this.onBlock(block);
  }

  stop() {
    this.player?.pause();
    this.stream?.getTracks().forEach(track => track.stop());
    this.context?.close();
    this.player = this.stream = this.context = null;
  }
}

const WORDS = {
  NotAllowedError: "The browser does not allow the microphone: allow it for this page.",
  NotFoundError: "There is no microphone. Plug one in, or play a recording.",
  NotReadableError: "Another program holds the microphone.",
  NotSupportedError: "The browser cannot play this recording.",
};
