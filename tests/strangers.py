"""VAEs as tutorials elsewhere write them, in plain Keras, and pictures to train them with."""

import numpy as np


def blobs(count=400, size=28, seed=0):
    """Grey pictures of one blurred bright spot each, (count, size, size) in [0, 1]: two numbers say it all."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.25, 0.75, (count, 2, 1, 1)) * size
    rows, columns = np.mgrid[:size, :size]
    squared = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
    return np.exp(-squared / (2 * (size / 8) ** 2)).astype(np.float32)


def write_pictures(folder, images):
    """Write images in [0, 1] as PNG files."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(np.round(image * 255).astype(np.uint8)).save(folder / f"{index:04}.png")
    return folder


def keras_io_example(epochs=12):
    """The classic convolutional VAE of keras.io, shortened to train in seconds; return encoder and decoder.

    Its encoder has a layer of its own class, Sampling, whose code is in no file.
    """
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(1337)

    class Sampling(layers.Layer):
        """Uses (z_mean, z_log_var) to sample z, the vector encoding a digit."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(1337)

        def call(self, inputs):
            z_mean, z_log_var = inputs
            batch = ops.shape(z_mean)[0]
            dim = ops.shape(z_mean)[1]
            epsilon = keras.random.normal(shape=(batch, dim), seed=self.seed_generator)
            return z_mean + ops.exp(0.5 * z_log_var) * epsilon

    latent_dim = 2
    encoder_inputs = keras.Input(shape=(28, 28, 1))
    x = layers.Conv2D(32, 3, activation="relu", strides=2, padding="same")(encoder_inputs)
    x = layers.Conv2D(64, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(16, activation="relu")(x)
    z_mean = layers.Dense(latent_dim, name="z_mean")(x)
    z_log_var = layers.Dense(latent_dim, name="z_log_var")(x)
    z = Sampling()([z_mean, z_log_var])
    encoder = keras.Model(encoder_inputs, [z_mean, z_log_var, z], name="encoder")

    latent_inputs = keras.Input(shape=(latent_dim,))
    x = layers.Dense(7 * 7 * 64, activation="relu")(latent_inputs)
    x = layers.Reshape((7, 7, 64))(x)
    x = layers.Conv2DTranspose(64, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(32, 3, activation="relu", strides=2, padding="same")(x)
    decoder_outputs = layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(x)
    decoder = keras.Model(latent_inputs, decoder_outputs, name="decoder")

    class VAE(keras.Model):
        def __init__(self, encoder, decoder, **kwargs):
            super().__init__(**kwargs)
            self.encoder = encoder
            self.decoder = decoder

        def train_step(self, data):
            import tensorflow as tf

            with tf.GradientTape() as tape:
                z_mean, z_log_var, z = self.encoder(data)
                reconstruction = self.decoder(z)
                reconstruction_loss = ops.mean(
                    ops.sum(keras.losses.binary_crossentropy(data, reconstruction), axis=(1, 2))
                )
                kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
                kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
                total_loss = reconstruction_loss + kl_loss
            grads = tape.gradient(total_loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
            return {"loss": total_loss}

    vae = VAE(encoder, decoder)
    vae.compile(optimizer=keras.optimizers.Adam(0.002))
    vae.fit(blobs()[..., None], epochs=epochs, batch_size=32, verbose=0)
    return encoder, decoder


def linear_pair(images, latent_dim=3, std=0.1):
    """An encoder and a decoder that are the principal components of images, flat; codes have variance one.

    Return both as Keras models: images (B, N) -> [z_mean, z_log_var], of which the second is 2 log `std`
    everywhere; codes -> images (B, N).
    """
    import keras
    from keras import layers

    flat = images.reshape(len(images), -1).astype(np.float64)
    centre = flat.mean(axis=0)
    _, _, components = np.linalg.svd(flat - centre, full_matrices=False)
    components = components[:latent_dim]
    scale = ((flat - centre) @ components.T).std(axis=0)
    encoding = components.T / scale
    pixels = keras.Input(shape=(flat.shape[1],))
    z_mean = layers.Dense(latent_dim, name="z_mean")
    z_log_var = layers.Dense(latent_dim, name="z_log_var")
    encoder = keras.Model(pixels, [z_mean(pixels), z_log_var(pixels)])
    z_mean.set_weights([encoding, -centre @ encoding])
    z_log_var.set_weights([np.zeros_like(encoding), np.full(latent_dim, 2 * np.log(std))])
    z = keras.Input(shape=(latent_dim,))
    decoding = layers.Dense(flat.shape[1])
    decoder = keras.Model(z, decoding(z))
    decoding.set_weights([components * scale[:, None], centre])
    return encoder, decoder
